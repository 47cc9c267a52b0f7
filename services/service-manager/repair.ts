import { Fault } from "#shared/model/errors.ts";
import type { Lease } from "#shared/model/lease.ts";
import type { Instant } from "#shared/model/time.ts";
import { type CallFailure, TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import { troubleOf } from "./creation.ts";
import { abandonLease, endAbandoned } from "./filling/abandonment.ts";
import { Filling } from "./filling/filling.ts";
import { absences, isIncluded } from "./filling/included.ts";
import type { SliceJournal } from "./journal/slice-journal.ts";
import { checkGoingOn } from "./journal/slice-owner.ts";
import { addressOf, type NodeAddress } from "./journal/slice-record.ts";
import { callOptions, type Effort, onEach } from "./network/fan-out.ts";
import type { Network } from "./network/network.ts";
import type { Order } from "./planning/slice-order.ts";
import { handOver, launchOn, starter } from "./programs/program-upkeep.ts";
import { OwnersEnding, statusOf } from "./slivers/owners-ending.ts";
import { failureName } from "./terminal/failure.ts";
import { isGone } from "./tickets/ticket-disposal.ts";
import { ticketSource } from "./tickets/ticket-source.ts";

/**
 * What a repair found or made of one node. `gone`: its sliver had ended. `lost`: nobody stands in for it yet, so its
 * lease is kept. `abandoned`: somebody does. `ended`: an abandoned lease has ended. `unclear`: it answered, with a fault.
 */
export type Mending = {
  readonly address: NodeAddress;
  readonly result: "well" | "new" | "gone" | "lost" | "abandoned" | "ended" | "unclear" | "failed";
  readonly failure?: CallFailure;
};

export type Repair = {
  readonly mendings: readonly Mending[];
  /** What kept agents from granting more. */
  readonly shortfall: readonly CallFailure[];
  /** Whether the slice is as large as it was, and as its description needs, and every replacement has its program. */
  readonly complete: boolean;
};

type Work = {
  readonly journal: SliceJournal;
  readonly network: Network;
  readonly effort: Effort;
  readonly now: Instant;
};

/**
 * Brings a slice back to the count its description asks for: others stand in for nodes that don't answer or have lost
 * their sliver. A lease is given up only when its replacement is there, so that with the network down, or nobody else to
 * ask, nothing is. A rerun after any kill looks again and goes on.
 */
export async function repairSlice(
  journal: SliceJournal,
  order: Order,
  network: Network,
  effort: Effort,
  now: Instant,
): Promise<Repair> {
  checkGoingOn(journal.record, network.principal);
  const work = { journal, network, effort, now };
  const given = journal.record.abandoned ?? [];
  const [standing, early] = await Promise.all([
    look(work),
    endAbandoned(journal, given, network, effort, now),
  ]);
  const mending: Mendings = new Map();
  for (const node of early.ended) mending.set(node, { result: "ended" });
  for (const [node, failure] of early.failures) mending.set(node, { result: "abandoned", failure });
  for (const [node, { result, failure }] of standing) mending.set(node, { result, failure });
  const lost = lostNodes(early.ended, standing);
  for (const [node, { result }] of standing) if (result === "gone") await journal.forgetLease(node);
  await noteBeginning(journal);
  const source = ticketSource({ journal, order, network, now });
  const had = new Set(journal.record.repairing);
  const start = { had, run: starter(journal, order.description).run };
  const filling = new Filling({ journal, order, source, network, effort, now, start, lost });
  await filling.fill();
  for (const node of journal.leases.keys()) if (!standing.has(node)) mending.set(node, { result: "new" });
  const abandoned = new Set(journal.record.abandoned?.map(({ node }) => node));
  for (const [node, failure] of filling.troubles)
    if (!lost.has(node)) mending.set(node, { result: abandoned.has(node) ? "abandoned" : "failed", failure });
  const unlaunched = await launchHandedOver(work, order, lost, filling);
  for (const [node, failure] of unlaunched) mending.set(node, { result: "failed", failure });
  await giveUpSurplus(work, order, standing, mending);
  const absent = absences(order.description, journal.state, filling.troubles);
  const repair = await conclude(work, order, mending, absent.length > 0);
  return { ...repair, shortfall: [...absent, ...filling.shortfall] };
}

type Mendings = Map<string, Omit<Mending, "address">>;

/** Nodes that others are to stand in for, and why. */
function lostNodes(ended: readonly string[], standing: ReadonlyMap<string, Standing>): Map<string, string> {
  const lost = new Map(ended.map((node) => [node, "has just ended a lease of the slice"]));
  for (const [node, { result, failure }] of standing) {
    if (result === "gone") lost.set(node, "has lost its sliver");
    if (result === "lost") lost.set(node, `is to be replaced: ${failure ? failureName(failure) : "EXPIRED"}`);
  }
  return lost;
}

type Standing = { readonly lease: Lease } & Omit<Mending, "address">;

/** How every lease of the slice stands, as its node says now. */
async function look({ journal, network, effort, now }: Work): Promise<Map<string, Standing>> {
  const leases = [...journal.leases.values()].map(({ lease }) => lease);
  const outcomes = await onEach(
    "looking at slivers",
    leases,
    async (lease) => {
      const node = network.node(addressOf(journal.record, lease.node));
      return await statusOf(node, lease, callOptions(effort));
    },
    effort,
  );
  const standing = outcomes.map((outcome): Standing => {
    const lease = outcome.item;
    if (!outcome.ok) return { lease, result: resultOf(outcome.error), failure: outcome.error };
    if (outcome.value.state === "missing")
      return { lease, result: "lost", failure: new Fault("NO_SLICE", "its node misses the sliver") };
    if (lease.term.end <= now)
      return { lease, result: "lost", failure: new Fault("EXPIRED", "its lease has ended") };
    return { lease, result: "well" };
  });
  return new Map(standing.map((one) => [one.lease.node, one]));
}

function resultOf(failure: CallFailure): Mending["result"] {
  if (isGone(failure) || failure instanceof OwnersEnding) return "gone";
  return failure instanceof TransportError ? "lost" : "unclear";
}

/** Programs of slivers that are there now are their owner's business; those of a slice never finished are ours. */
async function noteBeginning(journal: SliceJournal): Promise<void> {
  const nodes = [...journal.leases.keys()];
  const { repairing: before, phase } = journal.record;
  const had = before ?? (phase === "created" ? nodes : []);
  await journal.update((record) => ({ ...record, repairing: had.filter((node) => nodes.includes(node)) }));
}

/** Starts what was launched on some nodes only, where others have taken their place. */
async function launchHandedOver(
  { journal, effort }: Work,
  { description }: Order,
  lost: ReadonlyMap<string, string>,
  filling: Filling,
): Promise<Map<string, CallFailure>> {
  const had = journal.record.repairing ?? [];
  const fresh = [...journal.leases.keys()].filter((node) => !had.includes(node) && !lost.has(node));
  const owing = await handOver(journal, fresh, lost);
  return await launchOn(journal, description, owing.filter(filling.isUp, filling), effort);
}

/**
 * Gives up what is more than the description asks for: lost leases first, and then, when a node is back that a killed
 * repair had replaced already, the replacement.
 */
async function giveUpSurplus(
  { journal, network, effort, now }: Work,
  { description }: Order,
  standing: ReadonlyMap<string, Standing>,
  mending: Mendings,
): Promise<void> {
  const rank = new Map(journal.record.nodes.map(({ node }, at) => [node, at]));
  const isLost = ({ node }: Lease) => standing.get(node)?.result === "lost";
  const isMust = ({ node }: Lease) => isIncluded(description, journal, node);
  const leases = [...journal.leases.values()]
    .map(({ lease }) => lease)
    .sort(
      (a, b) =>
        Number(isMust(b)) - Number(isMust(a)) ||
        Number(isLost(a)) - Number(isLost(b)) ||
        rank.get(a.node)! - rank.get(b.node)!,
    );
  const surplus = leases.slice(description.nodes.count);
  for (const lease of surplus) {
    await abandonLease(journal, lease);
    mending.set(lease.node, { result: "abandoned", failure: standing.get(lease.node)?.failure });
  }
  // Whoever was silent a moment ago isn't waited for again.
  const silent = (node: string) => standing.get(node)?.failure instanceof TransportError;
  const answering = surplus.filter(({ node }) => !silent(node));
  const { ended } = await endAbandoned(journal, answering, network, effort, now);
  for (const node of ended) mending.set(node, { ...mending.get(node), result: "ended" });
}

async function conclude(
  { journal, now }: Work,
  { description }: Order,
  mending: ReadonlyMap<string, Omit<Mending, "address">>,
  lacking: boolean,
): Promise<Omit<Repair, "shortfall">> {
  const mendings = [...mending].map(([node, came]) => ({
    address: addressOf(journal.record, node),
    ...came,
  }));
  const unmended = mendings.some(({ address, result }) => {
    const wanting = result === "lost" || result === "unclear";
    return wanting || (result === "failed" && journal.leases.has(address.node));
  });
  const gone = mendings.filter(({ result }) => result === "gone").length;
  const fresh = mendings.filter(({ result }) => result === "new").length;
  const { count, atleast } = description.nodes;
  const good = journal.leases.size;
  const complete = !unmended && !lacking && good >= atleast && (good >= count || fresh >= gone);
  const troubles = mendings.flatMap(({ address, result, failure }) =>
    failure && result !== "gone" && result !== "ended" ? [troubleOf(address.node, failure, now)] : [],
  );
  await journal.update((record) => {
    const { repairing, ...rest } = record;
    const phase = complete ? "created" : record.phase;
    return { ...rest, phase, troubles, ...(!complete && { repairing }) };
  });
  return { mendings, complete };
}
