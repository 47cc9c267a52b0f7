import { Fault } from "../model/errors.ts";
import type { Clock } from "./clock.ts";

/** A change of the clock against the time since boot by more than this is a step (RELIABILITY I9). */
const STEP_MILLISECONDS = 60_000;

/** How long after a step nothing may be issued or destroyed. */
const UNSURE_MILLISECONDS = 600_000;

/** How fast an honest clock may be slewed, as a fraction: twice what adjtimex allows. */
const SLEW = 0.001;

const LOOK_EVERY_MILLISECONDS = 5_000;

/** Tells whether the clock can be believed. Ask it before anything is issued, and before anything is destroyed. */
export type ClockWatch = Disposable & {
  /** Whether time can be believed now; `floor` as for `refuseUnlessSure`. */
  sure(floor?: number): boolean;
  /**
   * Throws CLOCK_UNSURE (602) for ten minutes after the clock was stepped by more than a minute, and while it runs
   * below `floor`: the greatest instant the caller's store has recorded, which catches a clock wrong since boot.
   */
  refuseUnlessSure(floor?: number): void;
};

/**
 * Watches `clock` for steps: compares it with the time since boot at every question and every five seconds between,
 * letting it drift no faster than an honest clock is slewed, so that many small steps count as one large one.
 * `onStep` is told how far the clock moved, in milliseconds.
 */
export function watchClock(clock: Clock, onStep?: (milliseconds: number) => void): ClockWatch {
  let uptime = clock.uptime();
  let offset = clock.milliseconds() - uptime;
  let unsureUntil = Number.NEGATIVE_INFINITY;

  function look(): void {
    const elapsed = clock.uptime() - uptime;
    uptime += elapsed;
    const moved = clock.milliseconds() - uptime - offset;
    if (Math.abs(moved) > STEP_MILLISECONDS) {
      offset += moved;
      unsureUntil = uptime + UNSURE_MILLISECONDS;
      onStep?.(moved);
    } else {
      const slewed = elapsed * SLEW;
      offset += Math.max(-slewed, Math.min(slewed, moved));
    }
  }

  function sure(floor = Number.NEGATIVE_INFINITY): boolean {
    look();
    return uptime >= unsureUntil && clock.now() >= floor;
  }

  const timer = setInterval(look, LOOK_EVERY_MILLISECONDS);
  timer.unref();
  return {
    sure,
    refuseUnlessSure(floor) {
      if (sure(floor)) return;
      throw new Fault(
        "CLOCK_UNSURE",
        "the clock here was set or runs behind what is recorded; nothing is issued or destroyed until it has been steady for ten minutes, so ask again then",
      );
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
