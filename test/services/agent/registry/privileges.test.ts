import assert from "node:assert/strict";
import { test } from "node:test";
import { openAgentDatabase } from "#services/agent/service.ts";
import type { Capability } from "#shared/model/capability.ts";
import { DAY, NOW } from "../../../support/documents.ts";
import { type AgentLab, agentLab, audited, charges, lockWaits, opened, refusal } from "../agent-lab.ts";

const FOUR = { slice: "princeton_dns", ntickets: 1, leaselen: DAY, ips: "0.0.0.0" as const };
const RAW: Capability[] = ["CAP_NET_RAW"];

async function privilegeOf({ database }: AgentLab, label: string, type = "conventional"): Promise<number> {
  const row = await database.row<{ id: number }>(
    `select v.id from privileges v join principals p on p.name = v.principal
     where p.label = $1 and v.slice_type = $2::slice_type`,
    [label, type],
  );
  return row!.id;
}

/** A lab whose roots allow administrative slices. */
async function administrativeLab(): Promise<AgentLab> {
  const lab = await agentLab({ deposited: false });
  for (const node of lab.nodes)
    await node.deposit(node.root({ administrative: ["CAP_NET_RAW", "CAP_SYSLOG"] }));
  return lab;
}

test("what each role may have is in the books when it is added", async () => {
  await using lab = await agentLab();
  const rows = await lab.database.rows(
    `select p.label, v.slice_type::text as type, v.max_nodes from privileges v
     join principals p on p.name = v.principal order by 1, 2`,
  );
  assert.deepEqual(rows, [
    { label: "admin", type: "administrative", max_nodes: 10_000 },
    { label: "admin", type: "conventional", max_nodes: 10_000 },
    { label: "alice", type: "conventional", max_nodes: 1000 },
    { label: "bob", type: "conventional", max_nodes: 1000 },
  ]);
});

test("an administrative slice needs the privilege, and the ticket says so", async () => {
  await using lab = await administrativeLab();
  const [node] = lab.nodes;
  const ask = { ...FOUR, ips: [node.ip], administrative: RAW };
  await assert.rejects(lab.alice.client.newtickets(ask), refusal("NO_PRIVILEGE", /administrative/));
  const [text] = await lab.admin.client.newtickets(ask);
  assert.deepEqual(opened(node, text!).ticket.administrative, RAW);
  const sys: Capability[] = ["CAP_SYS_ADMIN"];
  await assert.rejects(
    lab.admin.client.newtickets({ ...ask, administrative: sys }),
    refusal("NO_PRIVILEGE", /CAP_SYS_ADMIN/),
  );
  const syslog: Capability[] = ["CAP_NET_RAW", "CAP_SYS_NICE"];
  await assert.rejects(
    lab.admin.client.newtickets({ ...ask, administrative: syslog }),
    refusal("NO_CAPACITY"),
    "the node did not give that away",
  );
});

test("capabilities are names on a list and nothing else", async () => {
  await using lab = await administrativeLab();
  for (const administrative of [
    [],
    ["CAP_NET_RAW,CAP_SYS_ADMIN"],
    ["CAP_NET_RAW\nCAP_SYS_ADMIN"],
    ["cap_net_raw"],
    "CAP_NET_RAW",
    [1],
  ]) {
    const odd = { ...FOUR, administrative } as unknown as typeof FOUR;
    await assert.rejects(lab.admin.client.newtickets(odd), refusal("MALFORMED"));
  }
});

test("leases, renewals and nodes are limited by the privilege", async () => {
  await using lab = await agentLab({ nodes: 3 });
  const [node] = lab.nodes;
  await lab.registry.withdraw(await privilegeOf(lab, "alice"));
  await assert.rejects(lab.alice.client.newtickets(FOUR), refusal("NO_PRIVILEGE", /no privilege/));
  const terms = { sliceType: "conventional" as const, capabilities: [] };
  await lab.registry.grant("alice", {
    ...terms,
    maxNodes: 2,
    maxLeaseSeconds: DAY,
    maxRenewableSeconds: DAY + 600,
  });
  await assert.rejects(
    lab.alice.client.newtickets({ ...FOUR, leaselen: DAY + 1 }),
    refusal("NO_PRIVILEGE", /up to 24 hours/),
  );
  await assert.rejects(lab.alice.client.newtickets({ ...FOUR, ntickets: 3 }), refusal("QUOTA", /2 nodes/));
  const [text] = await lab.alice.client.newtickets({ ...FOUR, ips: [node.ip] });
  assert.equal(opened(node, text!).ticket.renewableUntil, NOW + DAY + 600);
  await lab.alice.client.newtickets(FOUR);
  await assert.rejects(lab.alice.client.newtickets(FOUR), refusal("QUOTA", /would make 3/));
  assert.equal((await lab.alice.client.newtickets({ ...FOUR, ips: [node.ip] })).length, 1, "no further node");
  await lab.alice.client.newtickets({ ...FOUR, slice: "another", ntickets: 2 });
});

test("a privilege ends at its time", async () => {
  await using lab = await agentLab();
  await lab.registry.withdraw(await privilegeOf(lab, "alice"));
  const terms = { sliceType: "conventional" as const, capabilities: [], maxNodes: 2 };
  const validTo = NOW + 60;
  await lab.registry.grant("alice", { ...terms, maxLeaseSeconds: DAY, maxRenewableSeconds: DAY, validTo });
  lab.clock.advance(59);
  await lab.alice.client.newtickets(FOUR);
  lab.clock.advance(1);
  await assert.rejects(lab.alice.client.newtickets({ ...FOUR, slice: "late" }), refusal("NO_PRIVILEGE"));
});

test("a privilege withdrawn between check and commit is withdrawn before: no ticket", async () => {
  await using lab = await administrativeLab();
  const id = await privilegeOf(lab, "admin", "administrative");
  await using other = openAgentDatabase(lab.config.database);
  let settled: Promise<PromiseSettledResult<unknown>[]> | undefined;
  await other.transaction(async (tx) => {
    await tx.run("delete from privileges where id = $1", [id]);
    // The calls read the privilege as it still stands, and have to wait for this transaction where they issue.
    const ask = (at: number) =>
      lab.admin.client.newtickets({ ...FOUR, slice: `s${at}`, administrative: RAW });
    settled = Promise.allSettled(Array.from({ length: 8 }, (_, at) => ask(at)));
    await lockWaits(lab, 8);
  });
  for (const one of await settled!) {
    assert.ok(one.status === "rejected");
    refusal("NO_PRIVILEGE")(one.reason);
  }
  assert.deepEqual(await charges(lab), []);
});

test("withdrawing waits for tickets that are being issued, and counts from then on", async () => {
  await using lab = await agentLab();
  const id = await privilegeOf(lab, "alice");
  let withdrawn: Promise<void> | undefined;
  let got: Promise<string[]> | undefined;
  await lab.database.transaction(async (tx) => {
    await tx.run("select from accounts for update");
    got = lab.alice.client.newtickets(FOUR);
    await lockWaits(lab, 1);
    withdrawn = lab.registry.withdraw(id);
    await lockWaits(lab, 2);
  });
  assert.equal((await got!).length, 1);
  await withdrawn;
  await assert.rejects(lab.alice.client.newtickets(FOUR), refusal("NO_PRIVILEGE"));
});

test("refusals of principals are in the audit one by one; those of strangers are counted", async () => {
  await using lab = await agentLab();
  await assert.rejects(lab.alice.client.newtickets({ ...FOUR, slice: "root" }), refusal("BAD_NAME"));
  await assert.rejects(lab.alice.client.newtickets({ ...FOUR, ntickets: 0 }), refusal("MALFORMED"));
  assert.deepEqual((await audited(lab)).slice(-2), [
    "alice newtickets BAD_NAME",
    "alice newtickets MALFORMED",
  ]);
  const entries = (await audited(lab)).length;
  const stranger = lab.client(await lab.authority.client("carol"));
  const foreign = lab.client(await lab.authority.foreign("eve"));
  for (let at = 0; at < 5; at++) {
    await assert.rejects(stranger.newtickets(FOUR), refusal("NOT_PRINCIPAL"));
    await assert.rejects(foreign.newtickets(FOUR), refusal("FOREIGN_CERTIFICATE"));
    await assert.rejects(lab.plainClient().newtickets(FOUR), refusal("NO_CERTIFICATE"));
  }
  assert.equal((await audited(lab)).length, entries);
  await lab.agent.scan();
  const counted = await lab.database.rows(
    "select day::text, method, outcome, times from stranger_refusals order by outcome",
  );
  assert.deepEqual(counted, [
    { day: "2030-01-01", method: "", outcome: "FOREIGN_CERTIFICATE", times: 5 },
    { day: "2030-01-01", method: "newtickets", outcome: "NOT_PRINCIPAL", times: 5 },
    { day: "2030-01-01", method: "newtickets", outcome: "NO_CERTIFICATE", times: 5 },
  ]);
});
