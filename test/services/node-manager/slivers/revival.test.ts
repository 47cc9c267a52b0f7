import assert from "node:assert/strict";
import { test } from "node:test";
import { startRevival } from "#services/node-manager/slivers/revival.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { fixedClock } from "#test/support/clock.ts";
import { eventually } from "#test/support/deadline.ts";
import { NOW } from "#test/support/documents.ts";
import { nodeLab } from "../lab/node-lab.ts";

test("a sliver that ended is started again before the next pass", async () => {
  await using lab = await nodeLab();
  const { sliver } = lab.lease(await lab.alice.newlease({ ticketdata: (await lab.ticket()).text }));
  await lab.backend.stop(sliver);
  let told = false;
  lab.backend.ended = () => {
    if (told) return [];
    told = true;
    return [sliver, "00000000000000ff"];
  };
  await eventually(async () => (await lab.backend.list())[0]?.state === "running");
  const ensured = lab.backend.calls.filter((call) => call.startsWith("ensure"));
  assert.deepEqual(ensured, [`ensure ${sliver}`, `ensure ${sliver}`], "no other is");
});

test("one that ends again and again is left to the passes, and so is one that is no longer leased or is at work", async () => {
  const clock = fixedClock(NOW);
  const restarts: string[] = [];
  let looks = 0;
  const ends = ["a", "b", "c"];
  const states: Record<string, { serial: string; state: string }> = {
    a: { serial: "A", state: "live" },
    b: { serial: "B", state: "deleting" },
    c: { serial: "C", state: "live" },
  };
  const ended = () => {
    looks += 1;
    return ends;
  };
  const deps = {
    store: { leases: { ofSliver: (id: string) => states[id] }, suspensions: { has: () => false } },
    engines: [{ ended }],
    slivers: {
      busy: (serial: string) => serial === "C",
      restart: async (serial: string) => {
        restarts.push(serial);
        throw new Error("it ends at once");
      },
    },
    ...{ uptime: clock.uptime, log: silentLog(), everyMs: 5 },
  };
  await using _ = startRevival(deps as unknown as Parameters<typeof startRevival>[0]);
  const moreLooks = async () => {
    const before = looks;
    await eventually(() => looks > before + 3);
  };
  await moreLooks();
  assert.deepEqual(restarts, ["A"]);
  clock.advance(59);
  await moreLooks();
  assert.deepEqual(restarts, ["A"]);
  clock.advance(1);
  await moreLooks();
  assert.deepEqual(restarts, ["A", "A"]);
});
