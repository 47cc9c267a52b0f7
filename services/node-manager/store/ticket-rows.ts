import type { KeyName } from "#shared/identity/key.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { StoreDatabase, Tx } from "./database.ts";

/**
 * A ticket that is spent: it became a lease, extended one, or was cancelled. It stays spent after its lease is gone,
 * until its validity has passed for every clock.
 */
export type SpentTicket = {
  readonly id: DocumentId;
  readonly principal: KeyName;
  readonly spentBy: "redemption" | "renewal" | "cancellation";
  /** Serial of the lease it went into, live or gone. */
  readonly lease?: string;
  /** The agent to be told what becomes of it: the one whose root is above it. */
  readonly agent?: KeyName;
  /** The ticket without the documents above it. Kept of redeemed ones. */
  readonly document?: string;
  /** The holding it was split from: kept with `document`. */
  readonly parent?: DocumentId;
  readonly keepUntil: Instant;
};

type Row = {
  id: string;
  principal: string;
  spent_by: SpentTicket["spentBy"];
  lease: string | null;
  agent: string | null;
  document: string | null;
  parent: string | null;
  keep_until: number;
};

export class TicketRows {
  readonly #db: StoreDatabase;

  constructor(db: StoreDatabase) {
    this.#db = db;
  }

  all(): SpentTicket[] {
    return this.#db.all<Row>("select * from tickets order by id").map(fromRow);
  }

  find(id: DocumentId): SpentTicket | undefined {
    const row = this.#db.get<Row>("select * from tickets where id = ?", id);
    return row && fromRow(row);
  }

  /** Every ticket that went into a lease. */
  ofLease(serial: string): SpentTicket[] {
    return this.#db.all<Row>("select * from tickets where lease = ?", serial).map(fromRow);
  }

  /** Spends a ticket, unless it was spent before: then it writes nothing and says false. */
  spend(tx: Tx, ticket: SpentTicket): boolean {
    const written = this.#db.write(
      tx,
      `insert into tickets (id, principal, spent_by, lease, agent, document, parent, keep_until)
       values (?, ?, ?, ?, ?, ?, ?, ?) on conflict (id) do nothing`,
      ...[ticket.id, ticket.principal, ticket.spentBy, ticket.lease ?? null, ticket.agent ?? null],
      ...[ticket.document ?? null, ticket.parent ?? null, ticket.keepUntil],
    );
    return written === 1;
  }

  /** Makes the tickets of a lease that was never made usable again. */
  free(tx: Tx, lease: string): void {
    this.#db.write(tx, "delete from tickets where lease = ?", lease);
  }

  /** Forgets tickets that can no longer be valid and whose lease is gone. */
  prune(tx: Tx, now: Instant): void {
    const gone = "lease is null or lease not in (select serial from leases)";
    this.#db.write(tx, `delete from tickets where keep_until < ? and (${gone})`, now);
  }
}

function fromRow(row: Row): SpentTicket {
  return {
    id: row.id,
    principal: row.principal,
    spentBy: row.spent_by,
    lease: row.lease ?? undefined,
    agent: row.agent ?? undefined,
    document: row.document ?? undefined,
    parent: row.parent ?? undefined,
    keepUntil: row.keep_until,
  };
}
