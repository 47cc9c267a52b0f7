import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { peerOf, serverTlsOptions } from "#shared/identity/tls.ts";
import { systemClock } from "#shared/runtime/clock.ts";
import { createLog } from "#shared/runtime/log.ts";
import { withRequestId } from "#shared/runtime/request-context.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { contract, method } from "#shared/wire/xmlrpc/contract.ts";
import type { Handlers } from "#shared/wire/xmlrpc/dispatch.ts";
import { startXmlRpcServer } from "#shared/wire/xmlrpc/server.ts";
import { connectionsOf, toyParties } from "./toy-service.ts";

const api = contract({ work: method({ result: z.string(), help: "Works, or has it done." }) });

const { server, alice } = await toyParties();

/** A service that keeps what it logged. */
async function start(handlers: Handlers<typeof api>) {
  const lines: { request?: string; msg: string; reference?: string; outcome?: string }[] = [];
  const log = createLog("toy", { level: "debug", write: (line) => lines.push(JSON.parse(line)) });
  const running = await startXmlRpcServer(api, handlers, {
    tls: { host: "127.0.0.1", port: 0, options: serverTlsOptions(server.tls) },
    authenticate: (socket) => peerOf(socket, { now: new Date(systemClock().milliseconds()) }),
    ...{ clock: systemClock(), log },
  });
  return { lines, url: running.url, [Symbol.asyncDispose]: () => running.close() };
}

test("an id goes with a request through every service, and a failure at the last is found by it in each log", async () => {
  using connections = connectionsOf(alice);
  await using node = await start({
    work: () => {
      throw new TypeError("a secret of the node's");
    },
  });
  await using agent = await start({ work: () => xmlRpcClient(api, { url: node.url, connections }).work() });
  await using broker = await start({ work: () => xmlRpcClient(api, { url: agent.url, connections }).work() });

  const asked = withRequestId("evening-42", () => xmlRpcClient(api, { url: broker.url, connections }).work());
  await assert.rejects(asked, /the operator's log has it under evening-42/);
  for (const { lines } of [broker, agent, node]) {
    assert.deepEqual(new Set(lines.map(({ request }) => request)), new Set(["evening-42"]));
    const [last] = lines.slice(-1);
    assert.deepEqual([last!.msg, last!.outcome], ["refused a call", "BACKEND_FAILED"]);
  }
  assert.equal(node.lines[0]!.reference, "evening-42");
});

test("calls that nobody gave an id have one each", async () => {
  using connections = connectionsOf(alice);
  await using service = await start({ work: () => "done" });
  const client = xmlRpcClient(api, { url: service.url, connections });
  await Promise.all([client.work(), client.work()]);
  const ids = service.lines.map(({ request }) => request!);
  assert.equal(new Set(ids).size, 2);
  for (const id of ids) assert.match(id, /^[0-9a-f]{12}$/);
});
