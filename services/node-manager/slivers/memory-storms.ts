import type { Log } from "#shared/runtime/log.ts";
import type { SliverId, Usage } from "../backends/backend.ts";
import type { Store } from "../store.ts";
import type { Slivers } from "./slivers.ts";

/** A program that has grown too large is ended, and perhaps begun again; this often nothing is that anybody wants. */
const KILLS_A_SECOND = 5;
const PATIENCE_SECONDS = 30;
const FORGOTTEN_SECONDS = 600;

export type MemoryStormDeps = {
  readonly store: Pick<Store, "leases">;
  readonly slivers: Pick<Slivers, "calm">;
  /** Milliseconds of a clock that nobody can set. */
  readonly uptime: () => number;
  readonly log: Log;
};

type Seen = { readonly kills: number; readonly at: number; readonly since: number };

/**
 * Slivers in which the kernel ends processes without pause for want of memory while others are begun, as a program does
 * that forks without end. All that the kernel does for this is at the cost of the whole machine, whatever the sliver's
 * share of its processors is; so a sliver that does not stop by itself is stopped, and started again.
 */
export class MemoryStorms {
  readonly #deps: MemoryStormDeps;
  readonly #seen = new Map<SliverId, Seen>();

  constructor(deps: MemoryStormDeps) {
    this.#deps = deps;
  }

  /** To be told what a sliver uses, every few seconds. */
  look(sliver: SliverId, { memoryKills }: Usage): void {
    const { store, slivers, uptime, log } = this.#deps;
    if (memoryKills === undefined || !this.#rages(sliver, memoryKills, uptime())) return;
    const lease = store.leases.ofSliver(sliver);
    if (lease?.state !== "live") return;
    log.warn({ sliver, slice: lease.slice, memoryKills }, "a sliver does not stop running out of memory");
    slivers
      .calm(lease.serial)
      .catch((err) => log.warn({ err, sliver }, "a sliver out of memory could not be started anew"));
  }

  /** Whether it has gone on for as long as is borne; from then on it is counted anew. */
  #rages(sliver: SliverId, kills: number, at: number): boolean {
    const before = this.#seen.get(sliver);
    const goesOn = before !== undefined && kills - before.kills >= KILLS_A_SECOND * seconds(at - before.at);
    const since = goesOn ? before.since : at;
    const rages = seconds(at - since) >= PATIENCE_SECONDS;
    if (rages) this.#seen.delete(sliver);
    else this.#seen.set(sliver, { kills, at, since });
    this.#forget(at);
    return rages;
  }

  /** Whom nobody has looked at for long: they are gone. */
  #forget(at: number): void {
    for (const [id, seen] of this.#seen)
      if (seconds(at - seen.at) >= FORGOTTEN_SECONDS) this.#seen.delete(id);
  }
}

function seconds(milliseconds: number): number {
  return milliseconds / 1000;
}
