import type { NodeTime } from "../node-time.ts";
import type { Slivers } from "../slivers/slivers.ts";
import type { StoredLease } from "../store/lease-rows.ts";
import type { Suspender } from "../store/suspension-rows.ts";
import type { Store } from "../store.ts";

export type SuspensionDeps = {
  readonly store: Store;
  readonly slivers: Pick<Slivers, "halt" | "restart">;
  readonly time: Pick<NodeTime, "now" | "milliseconds">;
};

/**
 * Stops the sliver of a lease and keeps it stopped, over restarts of everything, until whoever wanted that resumes it.
 * Its disk stays, and the lease goes on: it is counted, can be renewed, and ends when it ends. Resolves when nothing of
 * it runs any more. Twice is once; an engine that fails is told to its caller and tried again by the reconciler.
 */
export async function suspendLease(
  { store, slivers, time }: SuspensionDeps,
  { serial, slice }: StoredLease,
  { by, reason }: { readonly by: Suspender; readonly reason: string },
): Promise<void> {
  store.transaction((tx) => {
    if (!store.suspensions.add(tx, serial, { by, since: time.now(), reason })) return;
    const at = { atMilliseconds: time.milliseconds(), action: "lease suspended", outcome: "done" };
    store.audit.record(tx, {
      ...at,
      peer: actorOf(by),
      slice,
      lease: serial,
      ...(reason !== "" && { note: reason }),
    });
  });
  await slivers.halt(serial);
}

/** Takes back what `suspendLease` said for the same suspender. The sliver runs again when nobody else wants it stopped. */
export async function resumeLease(
  { store, slivers, time }: SuspensionDeps,
  { serial, slice }: StoredLease,
  { by }: { readonly by: Suspender },
): Promise<void> {
  store.transaction((tx) => {
    if (!store.suspensions.remove(tx, serial, by)) return;
    const at = { atMilliseconds: time.milliseconds(), action: "lease resumed", outcome: "done" };
    store.audit.record(tx, { ...at, peer: actorOf(by), slice, lease: serial });
  });
  if (!store.suspensions.has(serial)) await slivers.restart(serial);
}

function actorOf(by: Suspender): "owner" | "node" {
  return by === "owner" ? "owner" : "node";
}
