import assert from "node:assert/strict";
import type { Privilege } from "#services/agent/registry/privilege.ts";
import { issueTickets, Overtaken } from "#services/agent/store/issuing/issued.ts";
import { deletePrivilege, insertPrivilege } from "#services/agent/store/registry/registry.ts";
import { Fault } from "#shared/model/errors.ts";
import type { Database, Tx } from "#shared/runtime/database.ts";
import { DAY, NOW } from "../../../support/documents.ts";
import {
  type Cause,
  EVERY_QUOTA,
  firstFault,
  firstStep,
  NO_QUOTA,
  QUOTAS,
  type QuotaCase,
  STATES,
  type State,
  type Subject,
} from "./policy-cases.ts";
import { orderFor, type PolicyLab, RAW, ROLES } from "./policy-lab.ts";

/** One place of the matrix. */
type Cell = {
  readonly title: string;
  readonly role: (typeof ROLES)[number];
  readonly subject: Subject;
  readonly make: string;
  readonly causes: readonly Cause[];
};

/** Everybody has one sliver on the first node, whatever their role allows. */
export async function begin({ people, issuance, database, nodes: [node] }: PolicyLab): Promise<void> {
  const terms = { sliceType: "conventional" as const, capabilities: [], maxNodes: 5 };
  const privilege = { ...terms, maxLeaseSeconds: DAY, maxRenewableSeconds: 2 * DAY };
  for (const [label, principal] of Object.entries(people)) {
    const id = await database.transaction((tx) => insertPrivilege(tx, principal.name, privilege, NOW));
    await issuance().issue(orderFor(`${label}s`, node), { principal, method: "newtickets" });
    await database.transaction((tx) => deletePrivilege(tx, id));
  }
}

async function subjects(lab: PolicyLab): Promise<Omit<Cell, "make">[]> {
  const { database, people, nodes } = lab;
  const rows = await database.rows<{ id: number; principal: string; type: string }>(
    "select id, principal, slice_type::text as type from privileges order by id",
  );
  const [, asked] = nodes;
  return ROLES.flatMap((role) =>
    [false, true].map((administrative) => {
      const type = administrative ? "administrative" : "conventional";
      const own = rows.find((row) => row.principal === people[role].name && row.type === type);
      // Who has none shows somebody else's.
      const privilege = (own ?? rows.find((row) => row.type === type)!).id;
      const subject: Subject = {
        ...{ who: people[role].name, colleague: people.colleague.name, slice: `${role}s` },
        ...{ node: asked.key.public.name, privilege, administrative },
      };
      const unprivileged: Cause = { step: "the privilege is gone", fault: "NO_PRIVILEGE" };
      return { role, subject, title: `${role}, ${type}`, causes: own ? [] : [unprivileged] };
    }),
  );
}

function cellOf(base: Omit<Cell, "make">, state: State, quota: QuotaCase): Cell {
  const { cause } = state;
  const causes = [...base.causes, typeof cause === "function" ? cause(base.subject) : cause, quota.cause];
  return {
    ...base,
    title: `${base.title}; ${state.title}; ${quota.title}`,
    make: state.make(base.subject) + quota.make(base.subject),
    causes: causes.filter((one) => one !== undefined),
  };
}

/** Makes each place in turn, asks in it, and takes both back. Returns what was not as expected. */
async function surprises(
  { database }: PolicyLab,
  cells: readonly Cell[],
  ask: (tx: Tx, cell: Cell) => Promise<string>,
  expected: (causes: readonly Cause[]) => string | undefined,
): Promise<string[]> {
  const found: string[] = [];
  const undone = new Error("nothing of this is to stay");
  const asked = database.transaction(async (tx) => {
    await tx.run("savepoint before");
    for (const cell of cells) {
      await tx.run(`rollback to savepoint before; ${cell.make}`);
      const outcome = await ask(tx, cell);
      const wanted = expected(cell.causes) ?? "issued";
      if (outcome !== wanted) found.push(`${cell.title}: ${outcome}, not ${wanted}`);
    }
    await tx.run("rollback to savepoint before");
    throw undone;
  });
  await assert.rejects(asked, undone);
  return found;
}

/** Every place of the matrix; `whole`: also those of which something else than the quota decides, each with every quota. */
export async function checkMatrix(lab: PolicyLab, { whole }: { whole: boolean }): Promise<void> {
  const bases = await subjects(lab);
  const quotasBeside = (base: Omit<Cell, "make">, state: State) => {
    const decided = firstStep(cellOf(base, state, NO_QUOTA).causes) !== undefined;
    return decided && !whole ? [NO_QUOTA, EVERY_QUOTA] : [NO_QUOTA, EVERY_QUOTA, ...QUOTAS];
  };
  const cells = bases.flatMap((base) =>
    STATES.flatMap((state) => quotasBeside(base, state).map((quota) => cellOf(base, state, quota))),
  );
  const holdings = await lab.database.rows<{ id: string; node: string }>("select id, node from holdings");
  assert.deepEqual(await surprises(lab, cells, (tx, cell) => written(tx, cell, holdings), firstStep), []);
}

/** What decides beforehand, without locks, comes to the same as the transaction, and tells why. Roles differ in privileges only. */
export async function checkDecisions(lab: PolicyLab, { whole }: { whole: boolean }): Promise<void> {
  const bases = await subjects(lab);
  const privileged = bases.filter(({ causes }) => causes.length === 0);
  const told = [
    ...(whole ? bases : [bases[1]!, ...privileged.slice(-2)]).flatMap((base) =>
      STATES.map((state) => cellOf(base, state, NO_QUOTA)),
    ),
    ...(whole ? bases : privileged.slice(-1)).flatMap((base) =>
      QUOTAS.map((quota) => cellOf(base, STATES[0]!, quota)),
    ),
  ];
  assert.deepEqual(await surprises(lab, told, (tx, cell) => decided(lab, tx, cell), firstFault), []);
}

/** As if everything had been found well: which step of the transaction refuses. */
async function written(
  tx: Tx,
  { subject: { who, slice, node, privilege, administrative } }: Cell,
  holdings: readonly { id: string; node: string }[],
): Promise<string> {
  const term = { start: NOW, end: NOW + DAY };
  const ticket = {
    ...{ id: "f".repeat(64), holding: holdings.find((holding) => holding.node === node)!.id },
    ...{ body: Buffer.from("<ticket/>"), ports: [], validTo: NOW + 3600, countedTo: NOW + 2 * DAY },
  };
  const order = orderFor(slice, { ip: "" } as Parameters<typeof orderFor>[1], {
    administrative: administrative ? RAW : undefined,
  });
  try {
    await issueTickets(tx, {
      ...{ principal: who, method: "newtickets", order, privilege: { id: privilege } as Privilege },
      ...{ at: NOW * 1000, now: NOW, term, renewableUntil: NOW + 2 * DAY, perMille: 1000, tickets: [ticket] },
    });
    return "issued";
  } catch (error) {
    if (!(error instanceof Overtaken)) throw error;
    return (error.cause as Error).message;
  }
}

/** Asked for as a caller would: which fault is told. */
async function decided(lab: PolicyLab, tx: Tx, { role, subject }: Cell): Promise<string> {
  const inside: Database = {
    ...tx,
    transaction: (work) => work(tx),
    [Symbol.asyncDispose]: async () => undefined,
  };
  const administrative = subject.administrative ? RAW : undefined;
  const order = orderFor(subject.slice, lab.nodes[1], { administrative });
  try {
    await lab.issuance(inside).issue(order, { principal: lab.people[role], method: "newtickets" });
    return "issued";
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return error.name;
  }
}
