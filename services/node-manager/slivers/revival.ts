import type { Log } from "#shared/runtime/log.ts";
import type { SliverId } from "../backends/backend.ts";
import type { Engines } from "../engines/engines.ts";
import type { Store } from "../store.ts";
import type { Slivers } from "./slivers.ts";

export type RevivalDeps = {
  readonly store: Pick<Store, "leases" | "suspensions">;
  readonly engines: Engines;
  readonly slivers: Pick<Slivers, "busy" | "restart">;
  /** Milliseconds of a clock that nobody can set. */
  readonly uptime: () => number;
  readonly log: Log;
  readonly everyMs?: number;
};

const EVERY_MILLISECONDS = 1_000;
/** A sliver that ends again so soon is left to the reconciler, which starts it at its next pass and not at once. */
const AGAIN_MILLISECONDS = 60_000;

/**
 * Starts leased slivers again as soon as their engines notice that they ended, for people who wait for them. What this
 * misses, and what ends again and again, the reconciler finds.
 */
export function startRevival({ everyMs = EVERY_MILLISECONDS, ...deps }: RevivalDeps): AsyncDisposable {
  const { store, engines, slivers, uptime, log } = deps;
  const revived = new Map<SliverId, number>();
  const work = new Set<Promise<void>>();

  function revive(sliver: SliverId): void {
    const lease = store.leases.ofSliver(sliver);
    if (lease?.state !== "live" || slivers.busy(lease.serial)) return;
    if (store.suspensions.has(lease.serial)) return;
    const now = uptime();
    for (const [id, at] of revived) if (now - at >= AGAIN_MILLISECONDS) revived.delete(id);
    if (revived.has(sliver)) return;
    revived.set(sliver, now);
    log.info({ sliver, slice: lease.slice }, "a sliver ended by itself and is started again");
    const done = slivers
      .restart(lease.serial)
      .catch((error) => log.warn({ err: error, sliver }, "a sliver that ended could not be started again"))
      .finally(() => work.delete(done));
    work.add(done);
  }

  const timer = setInterval(() => {
    for (const backend of engines) backend.ended?.().forEach(revive);
  }, everyMs);
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await Promise.all(work);
    },
  };
}
