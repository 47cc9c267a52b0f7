import assert from "node:assert/strict";
import { test } from "node:test";
import { CAPABILITIES, type Capability } from "#shared/model/capability.ts";
import { Fault } from "#shared/model/errors.ts";
import { DAY } from "../../../support/documents.ts";
import { type AgentClient, type AgentLab, agentLab, charges, opened } from "../agent-lab.ts";

/** What the subset's privilege and the frugal node's root have: every other one. */
const HALF = CAPABILITIES.filter((_, at) => at % 2 === 0);

const ROLES = ["stranger", "without", "conventional", "administrative", "both", "suspended"] as const;
type Role = (typeof ROLES)[number];

/** What is asked for: a conventional slice, one capability each, and one together with one that half of them have. */
const ASKS: readonly (readonly Capability[] | undefined)[] = [
  undefined,
  ...CAPABILITIES.map((capability) => [capability]),
  ...CAPABILITIES.filter((capability) => capability !== HALF[0]).map((capability) => [HALF[0]!, capability]),
];

/** What has to come of it, by the rules as they are written down (WIRE.md §1 and §3). */
function expected(role: Role, asked: readonly Capability[] | undefined): string {
  const may = asked ? asked.every((capability) => HALF.includes(capability)) : true;
  switch (role) {
    case "stranger":
      return "NOT_PRINCIPAL";
    case "suspended":
      return "SUSPENDED";
    case "without":
      return "NO_PRIVILEGE";
    case "conventional":
      return asked ? "NO_PRIVILEGE" : "granted";
    case "administrative":
      return asked && may ? "granted" : "NO_PRIVILEGE";
    case "both":
      return may ? "granted" : "NO_PRIVILEGE";
    default:
      return role satisfies never;
  }
}

async function clientsOf(lab: AgentLab): Promise<ReadonlyMap<Role, AgentClient>> {
  const terms = { maxNodes: 1000, maxLeaseSeconds: DAY, maxRenewableSeconds: DAY };
  const conventional = { ...terms, sliceType: "conventional" as const, capabilities: [] };
  const administrative = { ...terms, sliceType: "administrative" as const, capabilities: HALF };
  const privileges = {
    without: [],
    conventional: [conventional],
    administrative: [administrative],
    both: [conventional, administrative],
    suspended: [conventional, administrative],
  };
  const clients = new Map<Role, AgentClient>();
  for (const role of ROLES) {
    const identity = await lab.authority.client(role);
    clients.set(role, lab.client(identity));
    if (role === "stranger") continue;
    const principal = { label: role, role: "researcher" as const, certificate: identity.certPem };
    await lab.registry.addPrincipal(principal, privileges[role]);
  }
  await lab.registry.suspend("suspended", true);
  return clients;
}

test("who may have what, of every role, kind of slice and capability", async () => {
  await using lab = await agentLab({ deposited: false, share: { slivers: 1000 } });
  const [generous, frugal] = lab.nodes;
  await generous.deposit(generous.root({ administrative: [...CAPABILITIES] }));
  await frugal.deposit(frugal.root({ administrative: HALF }));
  const clients = await clientsOf(lab);
  let [slices, granted] = [0, 0];
  for (const [role, client] of clients) {
    for (const asked of ASKS) {
      const ask = { slice: `s${++slices}`, ntickets: 1, leaselen: DAY, ips: [generous.ip] };
      const outcome = await client.newtickets({ ...ask, ...(asked && { administrative: [...asked] }) }).then(
        ([text]) => {
          granted += 1;
          assert.deepEqual(opened(generous, text!).ticket.administrative, asked, `${role}: exactly those`);
          return "granted";
        },
        (error: unknown) => {
          assert.ok(error instanceof Fault, String(error));
          return error.name;
        },
      );
      assert.equal(outcome, expected(role, asked), `${role} asking for ${asked ?? "a conventional slice"}`);
    }
  }
  assert.equal(granted, 1 + 11 + 12, "conventional, and six alone and five in pairs for each of two");
  assert.equal((await charges(lab)).length, granted, "what was refused is in no book");
});

test("a node's owner gives each capability or not, whatever the principal may have", async () => {
  await using lab = await agentLab({ deposited: false, share: { slivers: 1000 } });
  const [frugal, none] = lab.nodes;
  await frugal.deposit(frugal.root({ administrative: HALF }));
  await none.deposit();
  const terms = { maxNodes: 10, maxLeaseSeconds: DAY, maxRenewableSeconds: DAY };
  await lab.registry.grant("bob", { ...terms, sliceType: "administrative", capabilities: [...CAPABILITIES] });
  for (const [at, capability] of CAPABILITIES.entries()) {
    const outcome = async (slice: string, ip: string) => {
      const ask = { slice, ntickets: 1, leaselen: DAY, ips: [ip], administrative: [capability] };
      return await lab.bob.client.newtickets(ask).then(
        () => "granted",
        (error: Fault) => error.name,
      );
    };
    assert.equal(await outcome(`f${at}`, frugal.ip), HALF.includes(capability) ? "granted" : "NO_CAPACITY");
    assert.equal(await outcome(`n${at}`, none.ip), "NO_CAPACITY", `${capability}: nothing was given`);
  }
  const all = {
    slice: "all",
    ntickets: 1,
    leaselen: DAY,
    ips: [frugal.ip],
    administrative: [...CAPABILITIES],
  };
  const lacking = CAPABILITIES.find((capability) => !HALF.includes(capability));
  const named = new RegExp(`is not held with [^;]*${lacking}[^;]*; ask for fewer capabilities$`);
  await assert.rejects(lab.bob.client.newtickets(all), named);
});

test("what an owner took back is not split from the root that still said so", async () => {
  await using lab = await agentLab({ deposited: false });
  const [node] = lab.nodes;
  const generous = await node.deposit(node.root({ administrative: HALF }));
  const ask = (slice: string) =>
    lab.admin.client.newtickets({
      ...{ slice, ntickets: 1, leaselen: DAY, ips: [node.ip], administrative: ["CAP_NET_RAW"] },
    });
  assert.equal((await ask("before")).length, 1);
  await node.deposit(node.root({ replaces: generous.id, serial: "5".repeat(32) }));
  await assert.rejects(ask("after"), (error: Fault) => error.name === "NO_CAPACITY");
});
