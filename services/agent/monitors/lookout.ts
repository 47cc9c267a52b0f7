import type { Clock } from "#shared/runtime/clock.ts";
import type { Database } from "#shared/runtime/database.ts";
import type { Log } from "#shared/runtime/log.ts";
import { startBackground } from "../background.ts";
import type { AgentConfig } from "../config.ts";
import { recordHistory } from "../store/monitors/history.ts";
import { sampleLiveness } from "../store/monitors/liveness.ts";
import { Monitors } from "./monitors.ts";
import type { PollLimits } from "./poll.ts";

/** What keeps knowing how nodes are: who is heard, and what monitors tell. */
export type Lookout = AsyncDisposable & {
  readonly monitors: Monitors;
  /** Does now what is due, and waits for it. */
  look(): Promise<void>;
};

export type LookoutParts = {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly pollLimits: PollLimits;
};

/** How often it is seen whether something is due. Turns are kept in the database, so that it matters to nobody else. */
const LOOK_SECONDS = 5;

/** Notes who is heard and how all are, and polls monitors, each in its turn, until it is disposed of. */
export function startLookout(
  config: Pick<AgentConfig, "monitors" | "poll_seconds">,
  { database, clock, log, pollLimits }: LookoutParts,
): Lookout {
  const monitors = new Monitors({
    ...{ database, clock, log, limits: pollLimits },
    addresses: config.monitors,
    everySeconds: config.poll_seconds,
  });
  let last: Promise<void> = Promise.resolve();

  async function begin(before: Promise<void>): Promise<void> {
    await Promise.allSettled([before]);
    await sampleLiveness(database, clock.now());
    await recordHistory(database, clock.now());
    for (const poll of await monitors.due()) background.run(poll);
  }

  /** One after the other, so that whoever waits for polls knows of all that were begun. */
  function round(): Promise<void> {
    last = begin(last);
    return last;
  }

  const background = startBackground(round, LOOK_SECONDS, log);
  return {
    monitors,
    async look() {
      await round();
      await monitors.settled();
    },
    [Symbol.asyncDispose]: () => background[Symbol.asyncDispose](),
  };
}
