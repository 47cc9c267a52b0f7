import type { KeyName } from "#shared/identity/key.ts";
import { formatInstant, parseInstant } from "#shared/model/time.ts";
import {
  BEFORE_FIRST,
  type ChainedRow,
  type ChainHead,
  hashAfter,
  type SignedHead,
} from "#shared/wire/audit-chain.ts";
import { AUDIT_COLUMNS, type AuditRecord, auditContent } from "./audit-record.ts";
import type { StoreDatabase, Tx } from "./database.ts";

/** One thing that was asked or done. `outcome` is "done", or the name of the fault that was answered. */
export type AuditEntry = {
  readonly atMilliseconds: number;
  /** Who asked: a key's name, "owner" for whoever has the machine, or "node" for what the node manager does by itself. */
  readonly peer: KeyName | "owner" | "node";
  readonly action: string;
  readonly outcome: string;
  readonly slice?: string;
  readonly lease?: string;
  readonly ticket?: string;
  readonly note?: string;
};

/** How many refusals are kept: enough to see what happened, too few to fill a disk (RELIABILITY I13). */
const REFUSALS_KEPT = 10_000;

/** What was asked, by whom, and what came of it. What was done is a chain; refusals stand beside it. */
export class AuditRows {
  readonly #db: StoreDatabase;

  constructor(db: StoreDatabase) {
    this.#db = db;
  }

  record(tx: Tx, entry: AuditEntry): void {
    const { atMilliseconds, peer, action, outcome } = entry;
    const said = [
      entry.slice ?? null,
      entry.lease ?? null,
      entry.ticket ?? null,
      entry.note ?? null,
    ] as const;
    const number = this.#db.insert(
      tx,
      `insert into audit (at_milliseconds, peer, action, outcome, slice, lease, ticket, note)
       values (?, ?, ?, ?, ?, ?, ?, ?)`,
      ...[atMilliseconds, peer, action, outcome, ...said],
    );
    if (outcome !== "done") return;
    const last = this.head();
    const [slice, lease, ticket, note] = said;
    const content = auditContent({
      number,
      atMilliseconds,
      peer,
      action,
      outcome,
      slice,
      lease,
      ticket,
      note,
    });
    const sql = "update audit set position = ?, hash = ? where number = ?";
    this.#db.write(tx, sql, last.position + 1, hashAfter(last, content), number);
  }

  /** Where the chain stands. */
  head(): ChainHead {
    const sql = "select position, hash from audit where position is not null order by position desc limit 1";
    return this.#db.get<ChainHead>(sql) ?? BEFORE_FIRST;
  }

  /** Of the chain what follows a place. */
  chained(after: number, limit: number): ChainedRow[] {
    return this.#db
      .all<AuditRecord & ChainHead>(
        `select ${AUDIT_COLUMNS}, position, hash from audit where position > ? order by position limit ?`,
        ...[after, limit],
      )
      .map(chainedRow);
  }

  /** The latest of what was done and refused, the oldest of it first; a refusal has the place 0. */
  latest(limit: number): ChainedRow[] {
    return this.#db
      .all<AuditRecord & ChainHead>(
        `select ${AUDIT_COLUMNS}, coalesce(position, 0) as position, coalesce(hash, '') as hash
           from audit order by number desc limit ?`,
        limit,
      )
      .map(chainedRow)
      .reverse();
  }

  addHead(tx: Tx, { position, hash, sealed, key, signature }: SignedHead): void {
    const sql = "insert into audit_heads (position, hash, sealed, key, signature) values (?, ?, ?, ?, ?)";
    this.#db.write(tx, sql, position, hash, parseInstant(sealed), key, signature);
  }

  heads(after: number, limit: number): SignedHead[] {
    return this.#db
      .all<HeadRow>("select * from audit_heads where position > ? order by position limit ?", after, limit)
      .map(headOf);
  }

  latestHead(): SignedHead | undefined {
    const row = this.#db.get<HeadRow>("select * from audit_heads order by position desc limit 1");
    return row && headOf(row);
  }

  /** Forgets all but the latest refusals. */
  pruneRefusals(tx: Tx): void {
    this.#db.write(
      tx,
      `delete from audit where outcome <> 'done' and number <= (
         select number from audit where outcome <> 'done' order by number desc limit 1 offset ?)`,
      REFUSALS_KEPT,
    );
  }
}

type HeadRow = { position: number; hash: string; sealed: number; key: string; signature: Uint8Array };

function headOf({ sealed, signature, ...row }: HeadRow): SignedHead {
  return { ...row, sealed: formatInstant(sealed), signature: Buffer.from(signature) };
}

function chainedRow({ position, hash, ...record }: AuditRecord & ChainHead): ChainedRow {
  return { ...auditContent(record), position, hash };
}
