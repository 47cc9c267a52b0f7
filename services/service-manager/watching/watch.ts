import { OperatorError } from "#shared/model/errors.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import { watchClock } from "#shared/runtime/clock-watch.ts";
import { isCallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import { existingSlice, type SliceState } from "../journal/slice-state.ts";
import type { Effort } from "../network/fan-out.ts";
import type { Network } from "../network/network.ts";
import { failureSentence } from "../terminal/failure.ts";
import type { Happening } from "./happenings.ts";
import { WatchedSlice } from "./watched-slice.ts";

export type WatchTerms = {
  readonly home: string;
  readonly name: string;
  /** Seconds from one look to the next. */
  readonly every: number;
  /** Whether nodes that were lost in two looks are replaced. */
  readonly repair: boolean;
  readonly clock: Clock;
  readonly effort: Effort;
  /** Lets so many seconds pass; throws when the effort's signal is aborted meanwhile. */
  readonly pause: (seconds: number) => Promise<void>;
  /** Opened anew for every look, so that a new certificate or configuration is taken up. */
  readonly openNetwork: () => Promise<Network>;
  readonly tell: (happening: Happening) => Promise<void>;
  /** A sentence about what went wrong here. */
  readonly warn: (sentence: string) => void;
  /** What ssh is told is to be written anew. */
  readonly changed: (state: SliceState) => Promise<void>;
};

/** A look that begins so much later than it should, in seconds, was kept from it: a laptop slept, say. */
const LATE_SECONDS = 60;

/**
 * Looks at a slice again and again, tells what changes, and renews its leases before they end. Resolves when the slice
 * is no more; the effort's signal ends it otherwise. Once it has begun, whatever stands in the way of one look, be it
 * the network, a file or a disk, is said and tried again at the next.
 */
export async function watchSlice(terms: WatchTerms): Promise<void> {
  const { home, name, every, clock, effort, tell } = terms;
  let stepped = 0;
  using steps = watchClock(clock, (milliseconds) => {
    stepped += milliseconds;
  });
  await existingSlice(home, name);
  const slice = new WatchedSlice(terms, steps);
  let said = "";
  for (let first = true, rested = clock.uptime(); ; first = false) {
    const late = (clock.uptime() - rested) / 1000 - (first ? 0 : every);
    if (late > LATE_SECONDS) {
      await tell(sleep(late, clock.now()));
      slice.forgetLosses();
    }
    try {
      if (!(await slice.look())) return;
      said = "";
    } catch (error) {
      effort.signal.throwIfAborted();
      const sentence = first ? undefined : passingSentence(error);
      if (sentence === undefined) throw error;
      if (sentence !== said) terms.warn(`${sentence}; trying again`);
      said = sentence;
    }
    if (stepped !== 0) {
      await tell(clockStep(stepped / 1000, clock.now()));
      stepped = 0;
    }
    rested = clock.uptime();
    await terms.pause(every);
  }
}

function sleep(seconds: number, at: Instant): Happening {
  return { at, event: "asleep", sentence: `nothing was looked at for ${lasting(seconds)}` };
}

function clockStep(seconds: number, at: Instant): Happening {
  const way = seconds > 0 ? "forward" : "back";
  const sentence = `the clock here was set ${lasting(Math.abs(seconds))} ${way}; nobody is replaced for ten minutes`;
  return { at, event: "clock", sentence };
}

/** What is said of an error that may be over at the next look; undefined for a defect of ours. */
function passingSentence(error: unknown): string | undefined {
  if (isCallFailure(error)) return failureSentence(error);
  const foreign = error instanceof OperatorError || (error instanceof Error && "syscall" in error);
  return foreign ? error.message : undefined;
}

function lasting(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} minutes`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
}
