import assert from "node:assert/strict";
import { test } from "node:test";
import type { Limits } from "#services/agent/registry/limits.ts";
import { Office } from "#services/agent/registry/office.ts";
import { removeQuota, setQuota } from "#services/agent/registry/quota.ts";
import { DAY } from "../../../support/documents.ts";
import { type AgentLab, agentLab, charges, checkSums, lockWaits, refusal } from "../agent-lab.ts";

const SIZE = { cpu_millis: 100, memory_mib: 128, disk_mib: 512, egress_kbps: 1000 };
const ask = (slice: string, ips: readonly string[], leaselen = DAY) => ({
  ...{ slice, ntickets: ips.length, leaselen, ips: [...ips], resources: SIZE },
});

/** alice and bob are of one site; alice has "first" on the first node, bob "others" there, counted together. */
async function siteLab(nodes = 3): Promise<AgentLab & { readonly office: Office }> {
  const lab = await agentLab({ nodes });
  await lab.registry.addSite("mit");
  await lab.database.run("update principals set site = 'mit' where label in ('alice', 'bob')");
  return Object.assign(lab, { office: new Office(lab.database, lab.clock) });
}

/**
 * What alice asks for when she has one sliver of SIZE and so has bob: a second node of her slice. Each limit with what
 * she alone and both together would have of it then.
 */
const MATRIX: readonly (readonly [keyof Limits, alone: number, together: number, sentence: RegExp])[] = [
  ["slices", 1, 2, /slices/],
  ["nodes", 2, 2, /nodes in one slice/],
  ["leaseSeconds", DAY, DAY, /leases of 24 hours/],
  ["slivers", 2, 3, /slivers in all/],
  ["cpuMillis", 200, 300, /core in all/],
  ["memoryMib", 256, 384, /memory in all/],
  ["diskMib", 1024, 1536, /disk in all/],
  ["egressKbps", 2000, 3000, /egress in all/],
];

test("every limit, of a principal and of a site: at it all is well, one less refuses and leaves nothing", async () => {
  await using lab = await siteLab();
  const [a, b] = lab.nodes.map(({ ip }) => ip) as [string, string];
  await lab.alice.client.newtickets(ask("first", [a]));
  await lab.bob.client.newtickets(ask("others", [a]));
  const before = await charges(lab);
  for (const [limit, alone, together, sentence] of MATRIX) {
    for (const [whose, would, of] of [
      [{ principal: "alice" }, alone, /your quota/],
      [{ site: "mit" }, together, /quota of your site, mit/],
    ] as const) {
      await setQuota(lab.office, whose, { [limit]: would - 1 });
      const refused = lab.alice.client.newtickets(ask("first", [b]));
      await assert.rejects(refused, refusal("QUOTA", sentence), limit);
      await assert.rejects(lab.alice.client.newtickets(ask("first", [b])), refusal("QUOTA", of), limit);
      assert.deepEqual(await charges(lab), before, limit);
      await setQuota(lab.office, whose, { [limit]: would });
      const got = await lab.alice.client.newtickets(ask("first", [b]));
      await lab.alice.client.releasetickets({ tickets: got });
      await settle(lab);
      assert.deepEqual(await charges(lab), before, limit);
      await removeQuota(lab.office, whose);
    }
  }
  await checkSums(lab);
});

/** As nodes would say it: what was released is cancelled. */
async function settle({ database }: AgentLab): Promise<void> {
  await database.run(
    "update tickets set state = 'cancelled', settled = now() where state = 'issued' and released is not null",
  );
}

test("privileges and quotas together: whatever is the smaller one refuses", async () => {
  await using lab = await siteLab();
  const ips = lab.nodes.map(({ ip }) => ip);
  await lab.database.run("delete from privileges");
  for (const [nodes, quota, site, fits] of [
    [1, 3, 3, 1],
    [3, 1, 3, 1],
    [3, 3, 1, 1],
    [2, 3, 3, 2],
    [3, 2, 3, 2],
    [3, 3, 2, 2],
    [3, 3, 3, 3],
    [3, 0, 3, 0],
    [3, 3, 0, 0],
  ] as const) {
    const terms = { sliceType: "conventional" as const, capabilities: [], maxNodes: nodes };
    const id = await lab.registry.grant("alice", {
      ...{ ...terms, maxLeaseSeconds: DAY, maxRenewableSeconds: 2 * DAY },
    });
    await setQuota(lab.office, { principal: "alice" }, { nodes: quota });
    await setQuota(lab.office, { site: "mit" }, { slivers: site });
    for (const count of [1, 2, 3]) {
      const call = lab.alice.client.newtickets(ask("web", ips.slice(0, count)));
      const told = `${nodes} ${quota} ${site}: ${count}`;
      if (count > fits) await assert.rejects(call, refusal("QUOTA"), told);
      else {
        await lab.alice.client.releasetickets({ tickets: await call });
        await settle(lab);
      }
    }
    await lab.registry.withdraw(id);
    await assert.rejects(lab.alice.client.newtickets(ask("web", ips)), refusal("NO_PRIVILEGE"));
  }
  assert.deepEqual(await charges(lab), []);
});

test("a renewal is no further sliver, and what has ended counts no more", async () => {
  await using lab = await siteLab();
  const [a, b] = lab.nodes.map(({ ip }) => ip) as [string, string];
  await setQuota(lab.office, { principal: "alice" }, { slices: 1, slivers: 1, memoryMib: 128 });
  await lab.alice.client.newtickets(ask("web", [a]));
  await lab.alice.client.newtickets(ask("web", [a]));
  await assert.rejects(lab.alice.client.newtickets(ask("web", [b])), refusal("QUOTA", /slivers/));
  await assert.rejects(lab.alice.client.newtickets(ask("more", [a])), refusal("QUOTA", /2 slices/));
  lab.clock.advance(2 * DAY);
  await lab.alice.client.newtickets(ask("more", [b]));
});

test("64 requests at once under quotas of a principal and its site: exactly as many as they allow", async () => {
  await using lab = await siteLab(2);
  await setQuota(lab.office, { principal: "alice" }, { slivers: 10 });
  await setQuota(lab.office, { site: "mit" }, { memoryMib: 15 * 128 });
  const { ip } = lab.nodes[0];
  const asked = Array.from({ length: 64 }, (_, at) => {
    const { client } = at % 2 ? lab.alice : lab.bob;
    return client.newtickets(ask(`${at % 2 ? "alices" : "bobs"}_${at}`, [ip]));
  });
  const outcomes = await Promise.allSettled(asked);
  for (const one of outcomes) if (one.status === "rejected") refusal("QUOTA")(one.reason);
  assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 15);
  const held = await charges(lab);
  assert.equal(held.length, 15);
  assert.ok(held.filter((charge) => charge.startsWith("alices")).length <= 10);
  await checkSums(lab);
});

test("a quota that is set while tickets are being issued comes after them; one set before them counts", async () => {
  await using lab = await siteLab();
  const [a, b] = lab.nodes.map(({ ip }) => ip) as [string, string];
  for (const whose of [{ principal: "alice" }, { site: "mit" }] as const) {
    let asked: Promise<string[]> | undefined;
    let set: Promise<void> | undefined;
    await lab.database.transaction(async (tx) => {
      await tx.rows("select from accounts for update");
      asked = lab.alice.client.newtickets(ask("web", [a]));
      await lockWaits(lab, 1);
      set = setQuota(lab.office, whose, { slivers: 0 });
      await lockWaits(lab, 2);
    });
    assert.equal((await asked!).length, 1, "it was there first");
    await set;
    await assert.rejects(lab.alice.client.newtickets(ask("web", [b])), refusal("QUOTA"));
    await removeQuota(lab.office, whose);
  }
  // The other way round: the call reads no quota, and waits where it issues for whoever sets one.
  let asked: Promise<unknown> | undefined;
  await lab.database.transaction(async (tx) => {
    await tx.rows("select from principals where label = 'alice' for update");
    await tx.run(
      "insert into quotas (principal, max_slivers) select name, 1 from principals where label = 'alice'",
    );
    asked = lab.alice.client.newtickets(ask("web", [b]));
    asked.catch(() => undefined); // looked at below
    await lockWaits(lab, 1);
  });
  await assert.rejects(asked!, refusal("QUOTA", /2 slivers/));
});
