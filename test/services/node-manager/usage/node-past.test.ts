import assert from "node:assert/strict";
import { mkdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { historyPage } from "#services/node-manager/pages/history.ts";
import type { StoredLease } from "#services/node-manager/store/lease-rows.ts";
import { UsageHistory } from "#services/node-manager/usage/history.ts";
import { NodePast } from "#services/node-manager/usage/node-past.ts";
import { type PastSpan, remembered } from "#services/node-manager/usage/past.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { temporaryDirectory } from "../../../support/directory.ts";
import { CAPACITY } from "../lab/node-lab.ts";

const MINUTE = 60;
const NOW = 1_893_456_000;

function lease(serial: string): StoredLease {
  const resources = { cpuMillis: 500, memoryMib: 256, diskMib: 0, egressKbps: 0 };
  return { serial, sliver: serial, resources } as StoredLease;
}

/** A node whose leases a test sets, looked at once a minute. */
async function node(state: string) {
  const history = new UsageHistory();
  const past = await NodePast.open(state, silentLog());
  const seen = { now: NOW, leases: [] as StoredLease[], past, history };
  const deps = { live: () => seen.leases, history, now: () => seen.now, log: silentLog() };
  return Object.assign(seen, {
    async minutes(count: number) {
      for (let minute = 0; minute < count; minute++) {
        seen.now += MINUTE;
        await past.look(deps);
      }
    },
  });
}

test("every five minutes are one span: means of what is used, sums of what came and went; and it is there after a restart", async () => {
  await using directory = await temporaryDirectory();
  const one = await node(directory.path);
  await one.minutes(3);
  one.leases = [lease("a"), lease("b")];
  const usage = (cpuMicroseconds: number) => ({ cpuMicroseconds, memoryBytes: 2 ** 20 * 64, processes: 1 });
  one.history.record("a" as never, usage(0) as never, 0);
  one.history.record("a" as never, usage(30e6) as never, 60_000);
  await one.minutes(1);
  one.leases = [lease("b")];
  await one.minutes(2);
  const [span, ...more] = one.past.spans;
  assert.deepEqual(more, []);
  assert.deepEqual([span!.end - span!.start, span!.begun, span!.ended], [300, 2, 1]);
  assert.equal(span!.leases, (0 + 0 + 2 + 1 + 1) / 5);
  assert.equal(span!.leasedMemoryMib, (256 * 4) / 5);
  assert.equal(span!.cpuMillis, (0 + 0 + 500) / 3, "of b no engine told, so that later nothing is known");
  assert.equal(span!.memoryMib, 64 / 3);
  const again = await node(directory.path);
  assert.deepEqual(again.past.spans, one.past.spans);
});

test("time in which nobody looked is a gap, and so is time that somebody set back", async () => {
  await using directory = await temporaryDirectory();
  const one = await node(directory.path);
  await one.minutes(11);
  one.now += 3600;
  await one.minutes(6);
  assert.deepEqual(
    one.past.spans.map(({ start, end }) => [start - NOW, end - NOW]),
    [
      [60, 360],
      [360, 660],
      [4320, 4620],
    ],
  );
  one.now = NOW + 400;
  await one.minutes(6);
  assert.deepEqual(
    one.past.spans.map(({ end }) => end - NOW),
    [360, 760],
    "what lies ahead of the clock was never",
  );
});

test("what is older than six hours is kept by the half hour, what is older than two days not at all", () => {
  const span = (end: number): PastSpan => {
    return { start: end - 300, end, leases: 2, leasedCpuMillis: 0, leasedMemoryMib: 0, begun: 1, ended: 0 };
  };
  let past: PastSpan[] = [];
  for (let turn = 1; turn <= 3 * 288; turn++) past = remembered(past, span(NOW + turn * 300));
  const now = NOW + 3 * 86_400;
  assert.ok(past.length <= 160, `${past.length} spans`);
  assert.ok(past[0]!.end > now - 2 * 86_400);
  for (const [at, { start }] of past.entries()) if (at > 0) assert.equal(start, past[at - 1]!.end);
  const begun = past.reduce((sum, one) => sum + one.begun, 0);
  assert.equal(begun, (past.at(-1)!.end - past[0]!.start) / 300, "none is lost or counted twice");
  assert.deepEqual(new Set(past.map(({ leases }) => leases)), new Set([2]));
});

test("a past that cannot be read begins anew, and the page shows what there is", async () => {
  await using directory = await temporaryDirectory();
  for (const text of ["{", '{"version":1,"spans":[{"start":"x"}]}', '{"version":2,"spans":[]}']) {
    await writeFile(join(directory.path, "history.json"), text);
    assert.deepEqual((await NodePast.open(directory.path, silentLog())).spans, []);
  }
  await rm(join(directory.path, "history.json"));
  await mkdir(join(directory.path, "history.json"));
  assert.deepEqual((await NodePast.open(directory.path, silentLog())).spans, [], "no file at all");
  await rmdir(join(directory.path, "history.json"));
  const one = await node(directory.path);
  one.leases = [lease("a")];
  await one.minutes(6);
  assert.match(await readFile(join(directory.path, "history.json"), "utf8"), /"version":1/);
  const { parts } = historyPage(one.past.spans, CAPACITY, one.now);
  const titles = parts.map(({ id }) => id);
  assert.ok(titles.includes("history-leases") && titles.includes("history-flow"));
});
