import { Issuance } from "#services/agent/issuing/issuance.ts";
import type { Order } from "#services/agent/issuing/order.ts";
import { openAgentDatabase } from "#services/agent/service.ts";
import { openTicketKeys, type TicketKeys } from "#services/agent/signing/ticket-keys.ts";
import type { Role } from "#services/agent/store/registry/principals.ts";
import { copyRolePrivileges, insertPrincipal, insertSite } from "#services/agent/store/registry/registry.ts";
import { saveTicketKey } from "#services/agent/store/ticket-keys.ts";
import type { PublicKey } from "#shared/identity/key.ts";
import { generateSigningKey } from "#shared/identity/key-file.ts";
import type { Capability } from "#shared/model/capability.ts";
import { ANYWHERE } from "#shared/model/slice-description.ts";
import { watchClock } from "#shared/runtime/clock-watch.ts";
import type { Database } from "#shared/runtime/database.ts";
import { type FixedClock, fixedClock } from "../../../support/clock.ts";
import { testDatabase } from "../../../support/database.ts";
import { temporaryDirectory } from "../../../support/directory.ts";
import { DAY, NOW } from "../../../support/documents.ts";
import { enrolFleet, type FleetNode } from "../fleet.ts";

export const ROLES = ["researcher", "pi", "administrator", "agent"] as const;
export const RAW: Capability[] = ["CAP_NET_RAW"];

/** What one ticket asks for. */
export const SIZE = { cpuMillis: 100, memoryMib: 128, diskMib: 512, egressKbps: 1000 };

/** The books of an agent, and whatever issues from them; nothing listens. */
export type PolicyLab = AsyncDisposable & {
  readonly database: Database;
  readonly clock: FixedClock;
  readonly keys: TicketKeys;
  /** The books of another process. */
  readonly other: Database;
  /** One of each role and a colleague, all of one site; called as their role, and "colleague". */
  readonly people: Readonly<Record<(typeof ROLES)[number] | "colleague", PublicKey>>;
  readonly nodes: readonly [FleetNode, FleetNode, ...FleetNode[]];
  /** What issues tickets, on these books or on others. */
  issuance(on?: Database): Issuance;
};

export async function policyLab(): Promise<PolicyLab> {
  await using owned = new AsyncDisposableStack();
  const clock = fixedClock(NOW);
  const directory = owned.use(await temporaryDirectory());
  const { url } = owned.use(await testDatabase("agent"));
  const database = owned.use(openAgentDatabase(url));
  const other = owned.use(openAgentDatabase(url));
  const keys = await openTicketKeys(`${directory.path}/ticket.key`);
  const { name, spki } = keys.current.public;
  await saveTicketKey(database, name, spki, clock.now());
  const nodes = await enrolFleet(database, keys, clock, { nodes: 3, share: { slivers: 8 } });
  await database.run("update holdings set capabilities = $1", [RAW]);
  await database.run(
    `update nodes set abilities = '[{"engine": "simulated", "abilities": ["administrative"]}]'`,
  );
  await database.transaction((tx) => insertSite(tx, "mit", NOW));
  const enrol = async (label: string, role: Role): Promise<PublicKey> => {
    const { public: key } = await generateSigningKey({ type: "ed25519" });
    await database.transaction(async (tx) => {
      await insertPrincipal(tx, key, { label, role, site: "mit" }, NOW);
      await copyRolePrivileges(tx, key.name, role, NOW);
    });
    return key;
  };
  const people = {
    researcher: await enrol("researcher", "researcher"),
    pi: await enrol("pi", "pi"),
    administrator: await enrol("administrator", "administrator"),
    agent: await enrol("agent", "agent"),
    colleague: await enrol("colleague", "researcher"),
  };
  const watch = owned.use(watchClock(clock));
  const policy = { maxLeaseSeconds: 28 * DAY, overbooking: 1000 };
  const issuance = (on = database) => new Issuance({ database: on, keys, clock, watch }, policy, NOW);
  const kept = owned.move();
  return {
    ...{ database, other, clock, keys, people, issuance },
    nodes: nodes as [FleetNode, FleetNode],
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** One ticket of SIZE for a day, for a slice on a node. */
export function orderFor(slice: string, { ip }: FleetNode, overrides: Partial<Order> = {}): Order {
  return {
    ...{ slice, leaseSeconds: DAY, resources: SIZE, ceilings: {}, ports: [], count: 1, atLeast: 1 },
    ...{ among: { kind: "ips", names: [ip] }, where: ANYWHERE },
    ...overrides,
  };
}
