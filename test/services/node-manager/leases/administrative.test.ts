import assert from "node:assert/strict";
import { test } from "node:test";
import type { Capability } from "#shared/model/capability.ts";
import { CAPABILITIES } from "#shared/model/capability.ts";
import type { Holding } from "#shared/model/ticket.ts";
import { eventually } from "#test/support/deadline.ts";
import type { Sealed } from "#test/support/documents.ts";
import { type NodeLab, nodeLab } from "../lab/node-lab.ts";
import { assertRefused } from "../lab/refusal.ts";

const HALF = CAPABILITIES.filter((_, at) => at % 2 === 0);

/** Starts the node again with other capabilities for its agent; gives the root the agent then has. */
async function given(lab: NodeLab, administrative?: readonly Capability[]): Promise<Sealed<Holding>> {
  await lab.root();
  Object.assign(lab.agents[0]!, { administrative });
  await lab.restart();
  return await eventually(async () => {
    const root = await lab.root();
    return isSame(root.ticket.administrative, administrative) && root;
  });
}

function isSame(a: readonly string[] = [], b: readonly string[] = []): boolean {
  return a.join() === b.join();
}

test("an agent is given what the node's owner says, and nothing unless told", async () => {
  await using lab = await nodeLab();
  assert.equal((await lab.root()).ticket.administrative, undefined);
  assert.deepEqual((await given(lab, HALF)).ticket.administrative, HALF);
  const roots = lab.agent.roots.length;
  await lab.restart();
  await eventually(() => lab.agent.roots.length > roots);
  assert.deepEqual(new Set(lab.agent.roots.slice(roots - 1)).size, 1, "no new root for the same words");
  assert.equal((await given(lab, undefined)).ticket.administrative, undefined);
});

test("of every capability, the chain decides whether a ticket has it", async () => {
  await using lab = await nodeLab();
  const planned: unknown[] = [];
  lab.backend.ensureFault = async (plan, real) => {
    planned.push(plan.administrative);
    await real();
  };
  const root = await given(lab, HALF);
  const narrow = await lab.holding({ administrative: HALF.slice(1), replaces: undefined }, root);
  for (const [at, capability] of CAPABILITIES.entries()) {
    const asked = { slice: `s${at}`, administrative: [capability] };
    for (const [above, has] of [
      [root, HALF],
      [narrow, HALF.slice(1)],
    ] as const) {
      const ticket = await lab.ticket(asked, above);
      const redeem = () => lab.alice.newlease({ ticketdata: ticket.text });
      if (!has.includes(capability)) {
        await assertRefused(lab, redeem, "BAD_CHAIN", /administrative goes beyond/);
        continue;
      }
      assert.deepEqual(lab.lease(await redeem()).administrative, [capability]);
      assert.deepEqual(planned.at(-1), [capability], "the engine is told exactly that");
      await lab.alice.deletelease({ slice: asked.slice });
    }
  }
  const beside = await lab.ticket({ slice: "beside", administrative: [HALF[0]!, "CAP_NET_ADMIN"] }, root);
  await assertRefused(lab, () => lab.alice.newlease({ ticketdata: beside.text }), "BAD_CHAIN");
  const plain = await lab.ticket({ slice: "plain" }, root);
  assert.equal(lab.lease(await lab.alice.newlease({ ticketdata: plain.text })).administrative, undefined);
  assert.equal(planned.at(-1), undefined, "a conventional ticket under the same root stays one");
});

test("what the owner took back counts no more, though the root still says it", async () => {
  await using lab = await nodeLab();
  const root = await given(lab, ["CAP_NET_RAW", "CAP_SYSLOG"]);
  const [raw, syslog] = await Promise.all(
    (["CAP_NET_RAW", "CAP_SYSLOG"] as const).map((capability) =>
      lab.ticket({ slice: `x${capability.slice(4, 7).toLowerCase()}`, administrative: [capability] }, root),
    ),
  );
  await given(lab, ["CAP_SYSLOG"]);
  await assertRefused(
    lab,
    () => lab.alice.newlease({ ticketdata: raw!.text }),
    "NO_PRIVILEGE",
    /does not let that agent hand out CAP_NET_RAW/,
  );
  assert.ok(await lab.alice.newlease({ ticketdata: syslog!.text }));
});

test("a lease becomes no other kind by renewal", async () => {
  await using lab = await nodeLab();
  const root = await given(lab, HALF);
  const [now, day] = [lab.clock.now(), 86_400];
  const longer = { term: { start: now, end: now + 3 * day }, renewableUntil: now + 6 * day };
  const renew = (ticketdata: string) => lab.alice.renewlease({ slice: "kind", ticketdata });
  await lab.alice.newlease({ ticketdata: (await lab.ticket({ slice: "kind" }, root)).text });
  for (const administrative of CAPABILITIES.filter((name) => HALF.includes(name)).map((name) => [name])) {
    const ticket = await lab.ticket({ slice: "kind", administrative, ...longer }, root);
    await assertRefused(
      lab,
      () => renew(ticket.text),
      "BAD_CHAIN",
      /administrative is not that of the lease/,
    );
  }
  const same = await lab.ticket({ slice: "kind", ...longer }, root);
  assert.equal(lab.lease(await renew(same.text)).administrative, undefined);
});
