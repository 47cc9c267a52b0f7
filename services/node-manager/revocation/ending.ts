import pLimit from "p-limit";
import type { RevokedBy } from "#shared/model/revocation.ts";
import type { Log } from "#shared/runtime/log.ts";
import { suspendLease } from "../leases/suspension.ts";
import type { NodeTime } from "../node-time.ts";
import type { Slivers } from "../slivers/slivers.ts";
import type { StoredLease } from "../store/lease-rows.ts";
import type { Store } from "../store.ts";
import type { Revocations } from "./revocations.ts";

/** What becomes of leases that are revoked: they end, or their slivers are stopped and kept until they do. */
export const REVOKED_LEASES = ["end", "suspend"] as const;

export type EndingDeps = {
  readonly policy: (typeof REVOKED_LEASES)[number];
  readonly store: Store;
  readonly revocations: Revocations;
  readonly slivers: Slivers;
  readonly time: NodeTime;
  /** Somebody was put out of a lease that goes on: whoever entered with a key of theirs may not stay. */
  readonly onFewerKeys: (slice: string) => void;
  readonly log: Log;
};

/** Slivers that are removed at the same time. */
const AT_ONCE = 8;

/**
 * Ends or suspends every lease that is revoked, and puts who is revoked out of those that go on for others: decided
 * durably at once, before this returns, unless the clock can't be believed, when nothing is destroyed (RELIABILITY I9);
 * then their slivers are removed or stopped. What fails is tried again by the reconciler, which also calls this.
 */
export function endRevokedLeases(deps: EndingDeps): void {
  const { store, revocations, slivers, time, log } = deps;
  const ends = deps.policy === "end";
  if (ends && !time.sure()) return;
  const limit = pLimit(AT_ONCE);
  const failed = (lease: StoredLease) => (err: unknown) =>
    log.warn({ err, slice: lease.slice }, "a revoked lease was not ended; it is tried again");
  for (const lease of store.leases.inState("live")) {
    const revoked = revocations.ofLease(lease);
    if (!revoked) putOut(deps, lease);
    if (!revoked) continue;
    if (ends) end(deps, lease, revoked);
    const stop = () => (ends ? slivers.remove(lease.serial) : suspend(deps, lease, revoked));
    limit(stop).catch(failed(lease));
  }
  for (const lease of store.leases.inState("creating")) {
    if (!revocations.ofLease(lease)) continue;
    // It can only be ended once it is made; where it can't be made there is nothing to end.
    slivers.make(lease.serial).then(() => endRevokedLeases(deps), failed(lease));
  }
}

function putOut({ store, revocations, time, onFewerKeys }: EndingDeps, lease: StoredLease): void {
  const { serial, slice } = lease;
  for (const { member, by } of revocations.membersRevoked(lease)) {
    store.transaction((tx) => {
      store.members.remove(tx, serial, member);
      const at = { atMilliseconds: time.milliseconds(), action: "member put out", outcome: "done" };
      store.audit.record(tx, { ...at, peer: "node", slice, lease: serial, note: reasonOf(by) });
    });
    onFewerKeys(slice);
  }
}

async function suspend(deps: EndingDeps, lease: StoredLease, found: RevokedBy): Promise<void> {
  if (deps.store.suspensions.of(lease.serial).some(({ by }) => by === "revocation")) return;
  await suspendLease(deps, lease, { by: "revocation", reason: reasonOf(found) });
}

function reasonOf({ signer, revoked }: RevokedBy): string {
  return `the ${revoked.kind} ${revoked.id} was revoked by ${signer}`;
}

function end({ store, time, log }: EndingDeps, lease: StoredLease, { signer, revoked }: RevokedBy): void {
  const { serial, slice } = lease;
  const note = reasonOf({ signer, revoked });
  log.warn({ slice, note }, "a lease is ended because it was revoked");
  store.transaction((tx) => {
    store.leases.move(tx, serial, "live", "deleting");
    const at = { atMilliseconds: time.milliseconds(), action: "lease revoked", outcome: "done" };
    store.audit.record(tx, { ...at, peer: "node", slice, lease: serial, note });
    store.recordTime(tx, time.now());
  });
}
