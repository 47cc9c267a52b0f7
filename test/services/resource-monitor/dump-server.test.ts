import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { type DumpServer, startDumpServer } from "#services/resource-monitor/dump-server.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { eventually } from "#test/support/deadline.ts";

function serving(dump: () => Iterable<string>, withinMs = 60_000): Promise<DumpServer> {
  return startDumpServer({
    address: "127.0.0.1",
    port: 0,
    dump,
    maxConnections: 2,
    withinMs,
    log: silentLog(),
  });
}

/** Never ends, and says how many pieces were taken. */
function endless(): { dump(): Generator<string>; taken: number } {
  const piece = "x".repeat(65_536);
  const endless = {
    taken: 0,
    *dump() {
      for (;;) {
        endless.taken += 1;
        yield piece;
      }
    },
  };
  return endless;
}

test("everybody gets a dump of the moment, also who says at once that nothing will follow", async () => {
  let dumps = 0;
  await using server = await serving(() => [`${++dumps}`, "é", "x".repeat(3_000_000)]);
  for (const expected of ["1", "2"]) {
    const socket = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
    socket.end();
    const got = await text(socket);
    assert.deepEqual([got[0], got.length], [expected, 3_000_002]);
  }
  await eventually(() => server.counts().served === 2);
});

test("whoever does not read is given no more than the kernel holds, and left in the end", async () => {
  const source = endless();
  await using server = await serving(source.dump, 300);
  const idle = connect(server.port, "127.0.0.1").pause();
  idle.on("error", () => undefined);
  await once(idle, "connect");
  await eventually(() => server.counts().abandoned === 1);
  assert.ok(source.taken < 1000, `${source.taken} pieces were made for nobody`);
  idle.destroy();
});

test("more readers than there may be are turned away, those who read are not", async () => {
  const source = endless();
  await using server = await serving(source.dump);
  const readers = [1, 2].map(() => connect(server.port, "127.0.0.1").on("error", () => undefined));
  await Promise.all(readers.map((reader) => once(reader, "data")));
  const third = connect(server.port, "127.0.0.1");
  assert.equal(await text(third), "");
  for (const reader of readers) await once(reader, "data");
  for (const reader of readers) reader.destroy();
});

test("stopping waits for nobody", async () => {
  const server = await serving(endless().dump);
  const reader = connect(server.port, "127.0.0.1").on("error", () => undefined);
  await once(reader, "data");
  const ended = once(reader, "close");
  await server[Symbol.asyncDispose]();
  await ended;
});
