import type { KeyName } from "#shared/identity/key.ts";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import type { Replay } from "#shared/wire/xmlrpc/replay.ts";
import { byDeadline, type Deadlines } from "../deadline.ts";
import type { NodeTime } from "../node-time.ts";
import type { Slivers } from "../slivers/slivers.ts";
import type { StoredLease } from "../store/lease-rows.ts";
import type { Store } from "../store.ts";
import { findOwnLease, type LeaseReference, noSlice } from "./ownership.ts";

export type DeletionDeps = {
  readonly store: Store;
  readonly slivers: Slivers;
  readonly time: NodeTime;
  readonly deadlines: Deadlines;
};

export type DeletionRequest = {
  readonly peer: KeyName;
  readonly of: LeaseReference;
  readonly replay?: Replay;
};

const DAY = 86_400;

/**
 * Ends a lease for its principal: the decision is durable first, then the sliver is removed, then the lease is gone
 * and its agent will hear of it. A lease still being made is ended once it is made.
 */
export async function deleteLease(deps: DeletionDeps, request: DeletionRequest): Promise<1> {
  const { store, slivers, deadlines } = deps;
  const lease = findOwnLease(store, request.of, request.peer);
  const late = () =>
    new Fault("BUSY", `the sliver of ${lease.slice} is still being made or removed; ask again`);
  const withinMs = deadlines.answerMs;
  if (lease.state === "creating") {
    await byDeadline(Promise.allSettled([slivers.make(lease.serial)]), { withinMs, late });
  }
  decide(deps, lease, request);
  await byDeadline(slivers.remove(lease.serial), { withinMs, late });
  return 1;
}

/** From here on the lease is over, whatever happens to this process. The answer waits for the sliver to be gone. */
function decide(
  { store, time }: DeletionDeps,
  { serial, slice }: StoredLease,
  request: DeletionRequest,
): void {
  const { peer, replay } = request;
  const now = time.sureNow();
  store.transaction((tx) => {
    const lease = store.leases.bySerial(serial);
    if (!lease || lease.state === "undoing") throw noSlice(slice);
    const moved = store.leases.move(tx, serial, "live", "deleting");
    refuseUnless(
      moved || lease.state === "deleting",
      "BUSY",
      `the sliver of ${slice} is being made; ask again`,
    );
    replay?.remember(1, Math.max(lease.renewableUntil, now + DAY), (kept) =>
      store.replies.keepUntilGone(tx, kept, serial),
    );
    if (!moved) return;
    const at = { atMilliseconds: time.milliseconds(), action: "lease deleted", outcome: "done" };
    store.audit.record(tx, { ...at, peer, slice, lease: serial });
    store.recordTime(tx, now);
  });
}

/** How it is called that a lease is ended, and why it is. */
export type Ending = { readonly action: string; readonly note: string };

/**
 * Ends a lease for the node's owner, whoever's it is: durable first, then the sliver is removed and its agent will hear of
 * it, and the node's own list of revocations names it from then on. Also while the clock can't be believed: nothing here
 * is decided by time. Twice is once.
 */
export async function endForOwner(
  { store, slivers, time }: Pick<DeletionDeps, "store"> & EndingParts,
  { serial, slice, state, renewableUntil, term }: StoredLease,
  { action, note }: Ending,
): Promise<void> {
  if (state === "creating") await Promise.allSettled([slivers.make(serial)]);
  store.transaction((tx) => {
    if (!store.leases.move(tx, serial, "live", "deleting")) return;
    const since = Math.floor(time.milliseconds() / 1000);
    store.endings.add(tx, { lease: serial, since }, Math.max(renewableUntil, term.end) + DAY);
    const at = { atMilliseconds: time.milliseconds(), action, outcome: "done" };
    store.audit.record(tx, { ...at, peer: "owner", slice, lease: serial, ...(note !== "" && { note }) });
  });
  await slivers.remove(serial);
}

type EndingParts = {
  readonly slivers: Pick<Slivers, "make" | "remove">;
  readonly time: Pick<NodeTime, "milliseconds">;
};

/** Ends every lease whose time is over, unless the clock can't be believed. Gives those that are to be removed. */
export function endOverdueLeases({ store, time }: Pick<DeletionDeps, "store" | "time">): void {
  if (!time.sure()) return;
  const now = time.now();
  for (const { serial, slice, term } of store.leases.inState("live")) {
    if (term.end > now) continue;
    store.transaction((tx) => {
      store.leases.move(tx, serial, "live", "deleting");
      const at = { atMilliseconds: time.milliseconds(), action: "lease ended", outcome: "done" };
      store.audit.record(tx, { ...at, peer: "node", slice, lease: serial });
      store.recordTime(tx, now);
    });
  }
}
