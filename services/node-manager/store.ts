import type { PublicKey } from "#shared/identity/key.ts";
import type { Instant } from "#shared/model/time.ts";
import { AuditRows } from "./store/audit-rows.ts";
import { BanRows } from "./store/ban-rows.ts";
import { ChargeRows } from "./store/charge-rows.ts";
import { StoreDatabase, type StoreFailure, type Tx } from "./store/database.ts";
import { EndingRows } from "./store/ending-rows.ts";
import { openStoreFile } from "./store/file.ts";
import { HoldingRows } from "./store/holding-rows.ts";
import { KeyRows } from "./store/key-rows.ts";
import { LeaseRows } from "./store/lease-rows.ts";
import { MemberRows } from "./store/member-rows.ts";
import { OutboxRows } from "./store/outbox-rows.ts";
import { QuarantineRows } from "./store/quarantine-rows.ts";
import { ReplyRows } from "./store/reply-rows.ts";
import { RevocationRows } from "./store/revocation-rows.ts";
import { RootRows } from "./store/root-rows.ts";
import { SuspensionRows } from "./store/suspension-rows.ts";
import { TicketRows } from "./store/ticket-rows.ts";
import { verifyStoredDocuments } from "./store/verification.ts";

/** What a node knows: one durable file, one set of rows a noun (`store/…`). */
export type Store = Disposable & {
  readonly leases: LeaseRows;
  readonly tickets: TicketRows;
  readonly holdings: HoldingRows;
  readonly charges: ChargeRows;
  readonly roots: RootRows;
  readonly outbox: OutboxRows;
  readonly keys: KeyRows;
  readonly replies: ReplyRows;
  readonly quarantine: QuarantineRows;
  readonly suspensions: SuspensionRows;
  readonly bans: BanRows;
  readonly revocations: RevocationRows;
  readonly endings: EndingRows;
  readonly members: MemberRows;
  readonly audit: AuditRows;
  /** Runs `work` as one change that is on the disk when this returns, or none at all when it throws. */
  transaction<T>(work: (tx: Tx) => T): T;
  /** The greatest time that was recorded: the clock never runs below it (RELIABILITY.md, Order of writing). */
  latestTime(): Instant;
  recordTime(tx: Tx, now: Instant): void;
  /** Whether others may remember more than this store does: unknown machines are then kept for ever. */
  restored(): boolean;
  markRestored(tx: Tx, now: Instant): void;
};

export type StoreOptions = {
  readonly path: string;
  /** The node's identity key: whose store it must be, and what its documents must be signed with. */
  readonly nodeKey: PublicKey;
  readonly now: Instant;
  /** Told once when the store can't be relied on any more. End the process. */
  readonly onFailure: (failure: StoreFailure) => void;
};

/**
 * Opens the node's store, or makes it where there is none. Throws OperatorError, having changed nothing, when it can't
 * be read, is damaged, or is another's: an unreadable store is not an empty one.
 */
export async function openStore({ path, nodeKey, now, onFailure }: StoreOptions): Promise<Store> {
  const db = new StoreDatabase(await openStoreFile(path, nodeKey.name, now), onFailure);
  const store: Store = {
    leases: new LeaseRows(db),
    tickets: new TicketRows(db),
    holdings: new HoldingRows(db),
    charges: new ChargeRows(db),
    roots: new RootRows(db),
    outbox: new OutboxRows(db),
    keys: new KeyRows(db),
    replies: new ReplyRows(db),
    quarantine: new QuarantineRows(db),
    suspensions: new SuspensionRows(db),
    bans: new BanRows(db),
    revocations: new RevocationRows(db),
    endings: new EndingRows(db),
    members: new MemberRows(db),
    audit: new AuditRows(db),
    transaction: (work) => db.transaction(work),
    latestTime: () => db.get<{ at: number }>("select latest_time as at from store")!.at,
    recordTime(tx, at) {
      db.write(tx, "update store set latest_time = ? where latest_time < ?", at, at);
    },
    restored: () => db.get("select 1 from store where restored_at is not null") !== undefined,
    markRestored(tx, at) {
      db.write(tx, "update store set restored_at = ?", at);
    },
    [Symbol.dispose]: () => db.close(),
  };
  try {
    verifyStoredDocuments(store, nodeKey);
    return store;
  } catch (error) {
    db.close();
    throw error;
  }
}
