import type { KeyName } from "#shared/identity/key.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { StoreDatabase, Tx } from "./database.ts";

/** A root ticket of this node: to which agent it was given, and whether the node still stands by it. */
export type StoredRoot = {
  readonly id: DocumentId;
  readonly agent: KeyName;
  readonly signedAt: Instant;
  readonly disownedAt?: Instant;
  readonly document: string;
};

type Row = {
  id: string;
  agent: string;
  signed_at: number;
  disowned_at: number | null;
  document: string;
};

const ROOTS =
  "select r.id, r.agent, r.signed_at, r.disowned_at, h.document from roots r join holdings h using (id)";

export class RootRows {
  readonly #db: StoreDatabase;

  constructor(db: StoreDatabase) {
    this.#db = db;
  }

  all(): StoredRoot[] {
    return this.#db.all<Row>(`${ROOTS} order by r.number`).map(fromRow);
  }

  find(id: DocumentId): StoredRoot | undefined {
    const row = this.#db.get<Row>(`${ROOTS} where r.id = ?`, id);
    return row && fromRow(row);
  }

  /** The roots an agent was given, the latest first. */
  ofAgent(agent: KeyName): StoredRoot[] {
    return this.#db.all<Row>(`${ROOTS} where r.agent = ? order by r.number desc`, agent).map(fromRow);
  }

  insert(tx: Tx, id: DocumentId, agent: KeyName, now: Instant): void {
    this.#db.write(tx, "insert into roots (id, agent, signed_at) values (?, ?, ?)", id, agent, now);
  }

  /** Stands by none of the roots signed so far: tickets beneath them are refused from now on. */
  disownAll(tx: Tx, now: Instant): number {
    return this.#db.write(tx, "update roots set disowned_at = ? where disowned_at is null", now);
  }
}

function fromRow(row: Row): StoredRoot {
  return {
    id: row.id,
    agent: row.agent,
    signedAt: row.signed_at,
    disownedAt: row.disowned_at ?? undefined,
    document: row.document,
  };
}
