import assert from "node:assert/strict";
import { test } from "node:test";
import type { Usage } from "#services/node-manager/backends/backend.ts";
import { MemoryStorms } from "#services/node-manager/slivers/memory-storms.ts";
import type { MonitorFeed } from "#services/node-manager/usage/feeds.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { fixedClock } from "#test/support/clock.ts";
import { eventually } from "#test/support/deadline.ts";
import { NOW } from "#test/support/documents.ts";
import { nodeLab } from "../lab/node-lab.ts";
import { auditOf } from "../lab/store-dump.ts";

const QUIET: Usage = { cpuMicroseconds: 0, memoryBytes: 0, processes: 1, diskBytes: 0 };
const SLIVER = "00000010abcdef01";

/** Looks every 15 seconds, and how many the kernel had ended by then; gives at which looks the sliver was calmed. */
function calmedAt(counts: readonly (number | undefined)[], state = "live"): number[] {
  const clock = fixedClock(NOW);
  const calmed: number[] = [];
  let look = 0;
  const deps = {
    store: { leases: { ofSliver: () => ({ serial: "S", state }) } },
    slivers: { calm: async () => void calmed.push(look) },
    ...{ uptime: clock.uptime, log: silentLog() },
  };
  const storms = new MemoryStorms(deps as unknown as ConstructorParameters<typeof MemoryStorms>[0]);
  for (look = 0; look < counts.length; look++) {
    const memoryKills = counts[look];
    storms.look(SLIVER, { ...QUIET, ...(memoryKills !== undefined && { memoryKills }) });
    clock.advance(15);
  }
  return calmed;
}

test("a sliver in which the kernel ends processes without pause is calmed after half a minute, and again after another", () => {
  assert.deepEqual(calmedAt([0, 75, 150, 225]), [2]);
  assert.deepEqual(calmedAt([7, 1000, 2000, 3000, 4000, 5000, 6000]), [2, 5]);
});

test("one that is too large now and then, pauses, is gone, or is not counted is left alone", () => {
  assert.deepEqual(calmedAt([0, 74, 148, 222, 296, 370]), []);
  assert.deepEqual(calmedAt([500, 500, 600, 600, 700, 700]), []);
  assert.deepEqual(calmedAt([900, 0, 100, 100]), [], "it was started anew between two looks");
  assert.deepEqual(calmedAt([0, 100, 200, 300], "deleting"), []);
  assert.deepEqual(calmedAt([undefined, undefined, undefined, undefined]), []);
});

test("calming stops a sliver with all that runs in it, starts it again, and tells whose it is why", async () => {
  const monitor: MonitorFeed = {
    of: { ip: "192.0.2.7", name: "own" },
    announceTo: [],
    slicesTo: [],
    everySeconds: 1,
  };
  await using lab = await nodeLab({ config: { monitor } });
  const { sliver } = lab.lease(await lab.alice.newlease({ ticketdata: (await lab.ticket()).text }));
  let memoryKills = 0;
  lab.backend.usage = async () => {
    lab.clock.advance(16);
    memoryKills += 100;
    return { ...QUIET, memoryKills };
  };
  const ofSliver = () => lab.backend.calls.filter((call) => call.endsWith(sliver));
  await eventually(() => ofSliver().length >= 3);
  assert.deepEqual(ofSliver().slice(0, 3), [`ensure ${sliver}`, `stop ${sliver}`, `ensure ${sliver}`]);
  lab.backend.usage = async () => QUIET;
  await eventually(async () => {
    const { conditions } = await lab.alice.getstatus({ slice: "princeton_dns" });
    const reasons = conditions.map(({ reason }) => reason);
    return reasons.includes(
      "it ran out of memory without end and was started again; ask for more, or start less in it",
    );
  });
  const audited = auditOf(lab.state).map(({ action }) => action);
  assert.deepEqual(audited.slice(-2), [
    "sliver stopped: it ran out of memory without end",
    "sliver started again",
  ]);
  assert.ok(lab.logged.some((line) => line.includes("does not stop running out of memory")));
});
