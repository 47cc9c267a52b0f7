import { type SliverDeps, SliverWork } from "./sliver-work.ts";
import { Turns } from "./turns.ts";

/**
 * Brings slivers to what their leases say, in the order of writing of RELIABILITY.md. One thing is done to a sliver at
 * a time, and whoever asks for what is being done already joins.
 */
export type Slivers = AsyncDisposable & {
  /** Makes the sliver of a lease that is `creating`; when this resolves the lease is live. BACKEND_FAILED: undone. */
  make(serial: string): Promise<void>;
  /** Removes the sliver of a lease that is `deleting` or `undoing`; when this resolves the lease is gone. */
  remove(serial: string): Promise<void>;
  /** Makes the sliver of a live lease run that does not, unless it is suspended. */
  restart(serial: string): Promise<void>;
  /** Stops a live lease's sliver, with all that runs in it, and starts it again on its own disk. */
  calm(serial: string): Promise<void>;
  /** Stops the sliver of a live lease that is suspended, and puts out everybody who is in it. */
  halt(serial: string): Promise<void>;
  /** Whether something is being done for this lease. */
  busy(serial: string): boolean;
};

/** The slivers of one node. */
export function slivers(deps: SliverDeps): Slivers {
  const turns = new Turns();
  const work = new SliverWork(deps, turns.ending);
  return {
    make: (serial) => turns.take("make", serial, () => work.make(serial)),
    remove: (serial) => turns.take("remove", serial, () => work.remove(serial)),
    restart: (serial) => turns.take("restart", serial, () => work.restart(serial)),
    calm: (serial) => turns.take("calm", serial, () => work.calm(serial)),
    halt: (serial) => turns.take("halt", serial, () => work.halt(serial)),
    busy: (serial) => turns.busy(serial),
    [Symbol.asyncDispose]: () => turns[Symbol.asyncDispose](),
  };
}
