import type { Instant } from "#shared/model/time.ts";
import {
  AlreadyAnswered,
  type KeptReply,
  type ReplayScope,
  type ReplyFinder,
  type ReplyToKeep,
} from "#shared/wire/xmlrpc/replay.ts";
import type { StoreDatabase, Tx } from "./database.ts";

/** Answers kept beside the change they answered, so that the same call gets the same bytes (WIRE.md §2, request_id). */
export class ReplyRows implements ReplyFinder {
  readonly #db: StoreDatabase;

  constructor(db: StoreDatabase) {
    this.#db = db;
  }

  findReply(scope: ReplayScope): KeptReply | undefined {
    const row = this.#db.get<{ arguments_hash: string; reply: Uint8Array }>(
      `select arguments_hash, reply from replies
        where peer = ? and signer = ? and method = ? and request_id = ? and waits_for is null`,
      ...columns(scope),
    );
    return row && { argumentsHash: row.arguments_hash, reply: Buffer.from(row.reply) };
  }

  /** Keeps an answer. Throws AlreadyAnswered where the same call was answered meanwhile. */
  keep(tx: Tx, kept: ReplyToKeep): void {
    if (!this.#insert(tx, kept, null)) throw new AlreadyAnswered("the same request was answered meanwhile");
  }

  /** Keeps an answer that holds from the moment a lease is gone: until then it is not given. */
  keepUntilGone(tx: Tx, kept: ReplyToKeep, lease: string): void {
    this.#insert(tx, kept, lease);
  }

  /** The lease is gone: what waited for that is true now. */
  release(tx: Tx, lease: string): void {
    this.#db.write(tx, "update replies set waits_for = null where waits_for = ?", lease);
  }

  prune(tx: Tx, now: Instant): void {
    this.#db.write(tx, "delete from replies where keep_until < ? and waits_for is null", now);
  }

  #insert(tx: Tx, kept: ReplyToKeep, waitsFor: string | null): boolean {
    const written = this.#db.write(
      tx,
      `insert into replies (peer, signer, method, request_id, arguments_hash, reply, keep_until, waits_for)
       values (?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing`,
      ...[...columns(kept.scope), kept.argumentsHash, kept.reply, kept.until, waitsFor],
    );
    return written === 1;
  }
}

function columns(scope: ReplayScope): [string, string, string, string] {
  return [scope.peer, scope.signer, scope.method, scope.requestId];
}
