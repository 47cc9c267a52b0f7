import type { Instant } from "#shared/model/time.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import { watchClock } from "#shared/runtime/clock-watch.ts";
import type { Log } from "#shared/runtime/log.ts";
import type { Store } from "./store.ts";

/** The node's time: the process's clock, believed only while it runs evenly and not below what the store has seen. */
export type NodeTime = Disposable & {
  now(): Instant;
  milliseconds(): number;
  /** Whether anything may be issued or destroyed now (RELIABILITY I9). */
  sure(): boolean;
  /** The time, for issuing and destroying. Throws CLOCK_UNSURE. */
  sureNow(): Instant;
};

export function nodeTime(clock: Clock, store: Store, log: Log): NodeTime {
  const watch = watchClock(clock, (milliseconds) => log.warn({ milliseconds }, "the clock was set"));
  return {
    now: () => clock.now(),
    milliseconds: () => clock.milliseconds(),
    sure: () => watch.sure(store.latestTime()),
    sureNow() {
      watch.refuseUnlessSure(store.latestTime());
      return clock.now();
    },
    [Symbol.dispose]: () => watch[Symbol.dispose](),
  };
}
