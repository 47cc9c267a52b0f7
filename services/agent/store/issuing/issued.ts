import pg from "pg";
import type { KeyName } from "#shared/identity/key.ts";
import type { PortRange } from "#shared/model/ports.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant, Term } from "#shared/model/time.ts";
import type { Queries } from "#shared/runtime/database.ts";
import { AlreadyAnswered, type ReplyToKeep } from "#shared/wire/xmlrpc/replay.ts";
import type { Order } from "../../issuing/order.ts";
import { type Privilege, sliceTypeOf } from "../../registry/privilege.ts";
import { portSet } from "../columns/port-set.ts";

/** One ticket of an order, as it goes into the books. */
export type NewTicket = {
  readonly id: DocumentId;
  readonly holding: DocumentId;
  readonly body: Buffer;
  readonly ports: readonly PortRange[];
  readonly validTo: Instant;
  /** End of the time it counts for. */
  readonly countedTo: Instant;
  /** The factor its node has of its own, if it has one: counted by, and said in the ticket. */
  readonly factor?: number;
};

/** What all tickets of one order have in common in the books. */
export type NewTickets = {
  readonly principal: KeyName;
  readonly method: string;
  readonly order: Order;
  readonly privilege: Privilege;
  /** Milliseconds since 1970, for the audit. */
  readonly at: number;
  readonly now: Instant;
  readonly term: Term;
  /** The furthest any of them may be renewed. */
  readonly renewableUntil: Instant;
  /** The factor of nodes that have none of their own. */
  readonly perMille: number;
  readonly tickets: readonly NewTicket[];
  /** Where the caller can ask for the same answer again, and until when. */
  readonly reply?: Omit<ReplyToKeep, "reply">;
};

/** What was decided on has changed before it could be locked; deciding again will tell. */
export class Overtaken extends Error {
  override readonly name = "Overtaken";
}

/** SQLSTATEs that `issue_tickets` raises, and that of a deadlock, in which one of two is undone to try again. */
const OVERTAKEN = ["SL001", "40P01"];
const ANSWERED = "SL002";

/**
 * Writes an order's tickets into the books, charged to their accounts, with its audit and its answer: one statement,
 * all or nothing, durable when it resolves. Throws Overtaken, or AlreadyAnswered.
 */
export async function issueTickets(queries: Queries, issue: NewTickets): Promise<void> {
  try {
    await queries.run(ISSUE, valuesOf(issue));
  } catch (error) {
    const { code } = error instanceof pg.DatabaseError ? error : { code: undefined };
    if (code === ANSWERED) throw new AlreadyAnswered("the same request_id was answered a moment ago");
    if (code !== undefined && OVERTAKEN.includes(code)) throw new Overtaken("overtaken", { cause: error });
    throw error;
  }
}

function valuesOf({ order, tickets, reply, ...issue }: NewTickets): unknown[] {
  return [
    issue.principal,
    issue.method,
    issue.at / 1000,
    issue.now,
    order.slice,
    issue.privilege.id,
    sliceTypeOf(order.administrative),
    order.administrative ?? [],
    issue.term.start,
    issue.term.end,
    issue.renewableUntil,
    issue.perMille,
    order.resources.cpuMillis,
    order.resources.memoryMib,
    order.resources.diskMib,
    order.resources.egressKbps,
    portSets(tickets, "tcp"),
    portSets(tickets, "udp"),
    tickets.map((t) => t.id),
    tickets.map((t) => t.holding),
    tickets.map((t) => t.body.toString("utf8")),
    tickets.map((t) => t.validTo),
    tickets.map((t) => t.countedTo),
    tickets.map((t) => t.factor ?? null),
    reply?.scope.requestId ?? null,
    reply?.argumentsHash ?? null,
    reply?.until ?? null,
  ];
}

/** The ports of each ticket; nothing where none has any, as most have not. */
function portSets(tickets: readonly NewTicket[], protocol: PortRange["protocol"]): string[] {
  if (tickets.every(({ ports }) => ports.length === 0)) return [];
  return tickets.map(({ ports }) => portSet(ports, protocol));
}

/** Defined in migrations/agent: see there for what it checks and in which order it locks. */
const ISSUE = {
  name: "issue tickets",
  text: `
    select issue_tickets($1, $2, to_timestamp($3), to_timestamp($4), $5, $6, $7, $8,
      to_timestamp($9), to_timestamp($10), to_timestamp($11), $12, $13, $14, $15, $16, $17, $18,
      $19, $20, $21, $22, $23, $24, $25, $26, to_timestamp($27))`,
};
