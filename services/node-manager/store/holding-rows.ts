import { refuseUnless } from "#shared/model/errors.ts";
import type { Share } from "#shared/model/resources.ts";
import type { DocumentId, Holding } from "#shared/model/ticket.ts";
import { CLOCK_SLACK, type Instant, type Term } from "#shared/model/time.ts";
import type { StoreDatabase, Tx } from "./database.ts";

/** A holding as the node keeps it, of whatever depth, its roots among them. */
export type StoredHolding = {
  readonly id: DocumentId;
  readonly parent?: DocumentId;
  readonly replaces?: DocumentId;
  readonly issuer: string;
  readonly principal: string;
  /** Equal in all holdings of one account: the id of one of them. */
  readonly account: DocumentId;
  readonly share: Share;
  readonly term: Term;
  /** The holding without the documents above it. */
  readonly document: string;
  /** When it was closed: nothing is redeemed beneath it since. */
  readonly closedAt?: Instant;
};

type Row = {
  id: string;
  parent: string | null;
  replaces: string | null;
  issuer: string;
  principal: string;
  account: string;
  start_time: number;
  end_time: number;
  cpu_millis: number;
  memory_mib: number;
  disk_mib: number;
  egress_kbps: number;
  slivers: number;
  document: string;
  closed_at: number | null;
};

/**
 * Holdings, and which of them are one account (WIRE.md §1, Accounts): those of one issuer and one principal that are
 * connected by what they replace. Since only equal issuers and principals are ever joined, nobody can join a
 * stranger's account, and since joining looks both ways, it does not matter in which order renewals are seen.
 */
export class HoldingRows {
  readonly #db: StoreDatabase;

  constructor(db: StoreDatabase) {
    this.#db = db;
  }

  all(): StoredHolding[] {
    return this.#db.all<Row>("select * from holdings order by id").map(fromRow);
  }

  find(id: DocumentId): StoredHolding | undefined {
    const row = this.#db.get<Row>("select * from holdings where id = ?", id);
    return row && fromRow(row);
  }

  ofAccount(account: DocumentId): StoredHolding[] {
    return this.#db.all<Row>("select * from holdings where account = ?", account).map(fromRow);
  }

  /**
   * Records a holding whose chain was verified, and joins the accounts it connects; one that is known stays as it is.
   * `joins` are further holdings it shares an account with. Throws BAD_CHAIN where it says that it replaces a holding
   * of another issuer or principal.
   */
  record(
    tx: Tx,
    id: DocumentId,
    holding: Holding,
    document: string,
    joins: readonly DocumentId[] = [],
  ): void {
    this.#checkReplaced(holding);
    if (this.find(id)) return;
    const account = this.#join(tx, this.#neighbours(id, holding, joins)) ?? id;
    const { term, resources: r } = holding;
    this.#db.write(
      tx,
      `insert into holdings (id, parent, replaces, issuer, principal, account, start_time, end_time, keep_until,
         cpu_millis, memory_mib, disk_mib, egress_kbps, slivers, document)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ...[id, holding.parent ?? null, holding.replaces ?? null, holding.issuer, holding.principal, account],
      ...[term.start, term.end, Math.max(term.end, holding.validity.end) + 2 * CLOCK_SLACK],
      ...[r.cpuMillis, r.memoryMib, r.diskMib, r.egressKbps, r.slivers, document],
    );
  }

  /** Whether this call closed it: false where it was closed before. */
  close(tx: Tx, id: DocumentId, now: Instant): boolean {
    const sql = "update holdings set closed_at = ? where id = ? and closed_at is null";
    return this.#db.write(tx, sql, now, id) === 1;
  }

  /** Forgets holdings that can no longer be valid, have no lease beneath and no holding that is kept. */
  prune(tx: Tx, now: Instant): void {
    this.#db.write(
      tx,
      `delete from holdings where keep_until < ? and id not in (select holding from charges)
         and id not in (select parent from holdings where parent is not null and keep_until >= ?)`,
      now,
      now,
    );
  }

  #checkReplaced(holding: Holding): void {
    const replaced = holding.replaces && this.find(holding.replaces);
    if (!replaced) return;
    refuseUnless(
      replaced.issuer === holding.issuer && replaced.principal === holding.principal,
      "BAD_CHAIN",
      "replaces_sha256 names a holding of another issuer or principal; only one's own can be renewed",
    );
  }

  /** Accounts this holding connects: of what it replaces, what replaces it, and what replaces the same. */
  #neighbours(id: DocumentId, holding: Holding, joins: readonly DocumentId[]): DocumentId[] {
    const replaces = holding.replaces ?? null;
    const related = this.#db.all<{ account: string }>(
      `select distinct account from holdings
        where issuer = ? and principal = ? and (id = ? or replaces = ? or replaces = ?) order by account`,
      ...[holding.issuer, holding.principal, replaces, id, replaces],
    );
    const joined = joins.map((other) => this.find(other)!.account);
    return [...new Set([...related.map((row) => row.account), ...joined])];
  }

  #join(tx: Tx, accounts: readonly DocumentId[]): DocumentId | undefined {
    const [account, ...others] = accounts;
    for (const other of others) {
      this.#db.write(tx, "update holdings set account = ? where account = ?", account!, other);
    }
    return account;
  }
}

function fromRow(row: Row): StoredHolding {
  return {
    id: row.id,
    parent: row.parent ?? undefined,
    replaces: row.replaces ?? undefined,
    issuer: row.issuer,
    principal: row.principal,
    account: row.account,
    term: { start: row.start_time, end: row.end_time },
    share: {
      cpuMillis: row.cpu_millis,
      memoryMib: row.memory_mib,
      diskMib: row.disk_mib,
      egressKbps: row.egress_kbps,
      slivers: row.slivers,
    },
    document: row.document,
    closedAt: row.closed_at ?? undefined,
  };
}
