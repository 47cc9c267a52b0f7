import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { test } from "node:test";
import { Daemon } from "#services/node-manager/backends/docker/daemon.ts";
import { execute } from "#services/node-manager/backends/docker/execution.ts";
import type { ContainerFacts } from "#services/node-manager/backends/docker/sliver-container.ts";
import { ROOT } from "#services/node-manager/backends/seed/login.ts";
import { fault } from "#test/contract/backend.ts";
import { temporaryDirectory } from "#test/support/directory.ts";

/** A daemon whose commands never begin, as when the sliver's /etc/passwd is a pipe. */
async function stuckDaemon(socket: string) {
  const server = createServer((request, response) => {
    const answer = request.url!.endsWith("/json")
      ? { Running: true, ExitCode: null, Pid: 0 }
      : { Id: "0123abcd" };
    response.setHeader("api-version", "1.47").end(JSON.stringify(answer));
  });
  const connection = Promise.withResolvers<Duplex>();
  server.on("upgrade", (_request, hijacked: Duplex) => {
    hijacked.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    connection.resolve(hijacked.resume());
  });
  server.listen(socket);
  await once(server, "listening");
  return {
    connection: connection.promise,
    [Symbol.dispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

test("a command that a sliver keeps from starting leaves no connection to the daemon behind", async () => {
  await using lab = await temporaryDirectory();
  const socket = join(lab.path, "docker.sock");
  using stuck = await stuckDaemon(socket);
  const daemon = await Daemon.find(socket);
  const container = { Id: "sliver", Config: { Labels: {}, Env: [] } } as unknown as ContainerFacts;
  const started = execute(daemon, container, ROOT, { argv: ["true"] }, 100);
  const connection = await stuck.connection;
  const closed = once(connection, "end", { signal: AbortSignal.timeout(5_000) });
  await assert.rejects(started, fault("BACKEND_FAILED"));
  await closed;
});
