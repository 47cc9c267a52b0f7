import type { Clock } from "#shared/runtime/clock.ts";

/** A clock that stands still until a test moves it. */
export type FixedClock = Clock & {
  /** Lets `seconds` pass, as they pass for everybody. */
  advance(seconds: number): void;
  /** Sets the time of day without any time passing: what a person or a wrong time server does. */
  set(at: number | string): void;
};

/** A clock standing at `at`: an instant in seconds, or a text such as "2030-01-01T00:00:00Z". */
export function fixedClock(at: number | string): FixedClock {
  let realtime = milliseconds(at);
  let uptime = 1_000_000;
  return {
    now: () => Math.floor(realtime / 1000),
    milliseconds: () => realtime,
    uptime: () => uptime,
    advance(seconds) {
      realtime += seconds * 1000;
      uptime += seconds * 1000;
    },
    set(to) {
      realtime = milliseconds(to);
    },
  };
}

function milliseconds(at: number | string): number {
  const value = typeof at === "number" ? at * 1000 : Date.parse(at);
  if (Number.isNaN(value)) throw new TypeError(`"${at}" is not a time`);
  return value;
}
