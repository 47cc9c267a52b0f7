import assert from "node:assert/strict";
import { test } from "node:test";
import type { Packet } from "#shared/wire/ganglia/packet.ts";
import type { Target } from "#shared/wire/ganglia/target.ts";
import { openTeller } from "#shared/wire/ganglia/teller.ts";
import { listener } from "#test/services/resource-monitor/monitor-lab.ts";
import { eventually, within } from "#test/support/deadline.ts";

const VALUE: Packet = {
  ...{ kind: "value", as: "string", format: "%s", value: "1" },
  id: { host: "10.0.0.1:h", name: "m", spoof: true },
};
/** Refused by every resolver without asking anybody. */
const NOWHERE: Target = { host: "no..where", port: 8649 };

function* endless(): Generator<Packet> {
  for (;;) yield VALUE;
}

test("each target is told all of it, and one that cannot be is reported once until it can", async () => {
  const reported: (string | undefined)[] = [];
  const { heard, port, close } = await listener();
  await using teller = openTeller((_, target) => reported.push(target?.host));
  const targets = [NOWHERE, { host: "127.0.0.1", port }, { host: "localhost", port }];
  for (const round of [1, 2]) {
    await teller.tell(targets, () => [VALUE, VALUE, VALUE]);
    await eventually(() => heard.length === 6 * round);
  }
  assert.deepEqual(reported, ["no..where"]);
  assert.deepEqual(teller.counts(), { sent: 12, failed: 2 });
  await close();
});

test("a packet that cannot be written ends the telling of that target, and nothing else", async () => {
  const reported: unknown[] = [];
  const { heard, port, close } = await listener();
  await using teller = openTeller((error) => reported.push(error));
  const long: Packet = { ...VALUE, value: "x".repeat(2000) };
  await teller.tell([{ host: "127.0.0.1", port }], () => [VALUE, long, VALUE]);
  await teller.tell([{ host: "127.0.0.1", port }], () => [VALUE]);
  await eventually(() => heard.length === 2);
  assert.equal(reported.length, 1);
  await close();
});

test("what would be sent for ever is broken off at the end, and came at a pace that can be heard", async () => {
  const { heard, port, close } = await listener();
  const teller = openTeller(() => assert.fail("nothing went wrong"));
  const telling = teller.tell([{ host: "127.0.0.1", port }], endless);
  await eventually(() => heard.length > 100);
  assert.ok(heard.length <= 200, `${heard.length} packets came at once`);
  teller.stop();
  await within(telling);
  await teller[Symbol.asyncDispose]();
  await close();
});
