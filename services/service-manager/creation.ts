import { randomBytes } from "node:crypto";
import { Fault } from "#shared/model/errors.ts";
import type { Instant } from "#shared/model/time.ts";
import type { CallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import { endAbandoned } from "./filling/abandonment.ts";
import { Filling } from "./filling/filling.ts";
import { absences } from "./filling/included.ts";
import type { SliceJournal } from "./journal/slice-journal.ts";
import { checkGoingOn } from "./journal/slice-owner.ts";
import { addressOf, type SliceRecord, type Trouble } from "./journal/slice-record.ts";
import { callOptions, type Effort, onEach } from "./network/fan-out.ts";
import type { Network } from "./network/network.ts";
import type { Order } from "./planning/slice-order.ts";
import { handOver, launchOn, starter, unstop } from "./programs/program-upkeep.ts";
import { failureName, failureSentence } from "./terminal/failure.ts";
import { isGone } from "./tickets/ticket-disposal.ts";
import { ticketSource } from "./tickets/ticket-source.ts";

/** The share of a node's deadline after which its silence is an answer. */
const SILENT = 1 / 5;

/** What a creation came to; every node's lease, ticket or trouble is in the journal. */
export type Creation = {
  /** What kept agents from granting more. */
  readonly shortfall: readonly CallFailure[];
  /** Whether the description is fulfilled: as many slivers as it needs, on all nodes it includes, each with its program. */
  readonly complete: boolean;
};

/**
 * Creates a slice, or goes on where an earlier run was stopped: by the end of it, every node has a lease, a ticket that
 * the next run will redeem, or a trouble with a name (RELIABILITY I11).
 *
 * Throws what an agent refused when there is nothing to go on with; the journal then holds nothing of the slice.
 */
export async function createSlice(
  journal: SliceJournal,
  order: Order,
  network: Network,
  effort: Effort,
  now: Instant,
): Promise<Creation> {
  const resumed = journal.begun;
  if (resumed) {
    checkGoingOn(journal.record, network.principal);
    if (order.description.program) await unstop(journal); // creating again is how it is started again
    const given = journal.record.abandoned ?? [];
    await Promise.all([
      dropLostLeases(journal, network, brief(effort), now),
      endAbandoned(journal, given, network, brief(effort), now),
    ]);
  } else await journal.begin(beginning(order, network.principal, now));
  const source = ticketSource({ journal, order, network, now });
  const had = new Set(journal.record.phase === "created" ? journal.leases.keys() : []);
  const start = { had, run: starter(journal, order.description).run };
  const filling = new Filling({ journal, order, source, network, effort, now, start });
  try {
    await filling.fill();
    const nothing = journal.leases.size === 0 && journal.tickets.size === 0;
    if (nothing) throw filling.lastFailure ?? new Fault("NO_CAPACITY", "no node took its ticket");
  } catch (error) {
    if (!resumed && isEmpty(journal)) await journal.remove();
    throw error;
  }
  const nodes = [...journal.leases.keys()];
  const lacking = new Set([...had, ...(await handOver(journal, nodes))]);
  const started = nodes.filter((node) => lacking.has(node) && filling.isUp(node));
  const unlaunched = await launchOn(journal, order.description, started, effort);
  for (const [node, failure] of unlaunched) filling.troubles.set(node, failure);
  const isWhole = nodes.every((node) => filling.isUp(node) && !unlaunched.has(node));
  const absent = absences(order.description, journal.state, filling.troubles);
  const complete = nodes.length >= order.description.nodes.atleast && isWhole && absent.length === 0;
  const troubles = [...filling.troubles].map(([node, failure]) => troubleOf(node, failure, now));
  await journal.update((record) => ({
    ...record,
    phase: complete ? "created" : "creating",
    troubles,
    ...(complete && { repairing: undefined }),
  }));
  return { shortfall: [...absent, ...filling.shortfall], complete };
}

function beginning(order: Order, principal: string, now: Instant) {
  const record: SliceRecord = {
    version: 1,
    name: order.description.name,
    phase: "creating",
    principal,
    createdAt: now,
    requestId: randomBytes(16).toString("hex"),
    asksMade: 0,
    asks: [],
    intent: order.intent,
    files: order.files,
    count: order.description.nodes.count,
    atleast: order.description.nodes.atleast,
    nodes: [],
    ticketKeys: [],
    unwanted: [],
    keys: [],
    troubles: [],
  };
  return { record, description: order.xml, files: order.contents };
}

/** For looking at what is there already: a node that is silent for so long has its sliver still, as far as we know. */
function brief(effort: Effort): Effort {
  return { ...effort, deadlineMs: Math.ceil(effort.deadlineMs * SILENT) };
}

/** Leases that have ended, here or as their nodes say: those slivers are gone and are made again. */
async function dropLostLeases(
  journal: SliceJournal,
  network: Network,
  effort: Effort,
  now: Instant,
): Promise<void> {
  const leases = [...journal.leases.values()].map(({ lease }) => lease);
  await onEach(
    "looking at slivers",
    leases,
    async (lease) => {
      const node = network.node(addressOf(journal.record, lease.node));
      const gone =
        lease.term.end <= now ||
        (await node.api.getstatus({ slice: lease.slice }, callOptions(effort)).then(() => false, goneOnly));
      if (gone) await journal.forgetLease(lease.node);
    },
    effort,
  );
}

function goneOnly(error: unknown): true {
  if (!isGone(error)) throw error;
  return true;
}

/** Whether there is nothing of a slice anywhere: no lease, no ticket, and no ask that may still be granted. */
function isEmpty({ leases, tickets, record }: SliceJournal): boolean {
  const { asks, requests = [] } = record;
  return leases.size === 0 && tickets.size === 0 && asks.length === 0 && requests.length === 0;
}

export function troubleOf(node: string, failure: CallFailure, at: Instant): Trouble {
  return { node, name: failureName(failure), sentence: failureSentence(failure), at };
}
