import type { KeyName } from "#shared/identity/key.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { StoreDatabase, Tx } from "./database.ts";

/** What can become of a ticket, as its agent is told (WIRE.md §2, settletickets). */
export const TICKET_EVENTS = ["redeemed", "unredeemed", "cancelled", "ended"] as const;
export type TicketEvent = (typeof TICKET_EVENTS)[number];

/** Something an agent must still be told. `number` rises with time. */
export type Message = { readonly number: number; readonly ticket: DocumentId; readonly event: TicketEvent };

export class OutboxRows {
  readonly #db: StoreDatabase;

  constructor(db: StoreDatabase) {
    this.#db = db;
  }

  put(tx: Tx, agent: KeyName, ticket: DocumentId, event: TicketEvent, now: Instant): void {
    const sql = "insert into outbox (agent, ticket, event, queued_at) values (?, ?, ?, ?)";
    this.#db.write(tx, sql, agent, ticket, event, now);
  }

  /** The oldest messages for an agent. */
  first(agent: KeyName, limit: number): Message[] {
    const sql = "select number, ticket, event from outbox where agent = ? order by number limit ?";
    return this.#db.all<Message>(sql, agent, limit);
  }

  /** Forgets what an agent has been told: its messages up to a number. */
  delivered(tx: Tx, agent: KeyName, upTo: number): void {
    this.#db.write(tx, "delete from outbox where agent = ? and number <= ?", agent, upTo);
  }

  /** How many messages wait, and since when the oldest does. */
  waiting(agent: KeyName): { count: number; since?: Instant } {
    const sql = "select count(*) as count, min(queued_at) as since from outbox where agent = ?";
    const row = this.#db.get<{ count: number; since: number | null }>(sql, agent)!;
    return { count: row.count, since: row.since ?? undefined };
  }
}
