import type { KeyName } from "#shared/identity/key.ts";
import type { RevocationSigner } from "#shared/model/revocation.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { StoreDatabase, Tx } from "./database.ts";

/** The latest list of one signer, and what it is verified with. */
export type StoredList = {
  readonly signer: KeyName;
  readonly role: RevocationSigner;
  readonly id: DocumentId;
  readonly number: number;
  /** SubjectPublicKeyInfo of the signer. */
  readonly key: Uint8Array;
  readonly document: string;
};

/** Lists of what is revoked, one a signer; and those that contradict one that was there first. */
export class RevocationRows {
  readonly #db: StoreDatabase;

  constructor(db: StoreDatabase) {
    this.#db = db;
  }

  all(): StoredList[] {
    const sql = "select signer, role, id, number, key, document from revocation_lists order by signer";
    return this.#db.all<StoredList>(sql);
  }

  of(signer: KeyName): StoredList | undefined {
    const sql = "select signer, role, id, number, key, document from revocation_lists where signer = ?";
    return this.#db.all<StoredList>(sql, signer)[0];
  }

  /** In place of the list its signer had before. */
  put(tx: Tx, list: StoredList, now: Instant): void {
    this.#db.write(
      tx,
      `insert into revocation_lists (signer, role, id, number, key, document, received_at)
       values (?, ?, ?, ?, ?, ?, ?)
       on conflict (signer) do update set role = excluded.role, id = excluded.id, number = excluded.number,
         key = excluded.key, document = excluded.document, received_at = excluded.received_at`,
      ...[list.signer, list.role, list.id, list.number, list.key, list.document, now],
    );
  }

  /** Keeps a second list of one number as evidence: the first such of each signer. */
  contradict(tx: Tx, { signer, number, id, document }: StoredList, now: Instant): void {
    this.#db.write(
      tx,
      `insert into revocation_conflicts (signer, number, id, document, received_at) values (?, ?, ?, ?, ?)
       on conflict (signer) do nothing`,
      ...[signer, number, id, document, now],
    );
  }
}
