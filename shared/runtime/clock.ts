import { uptime } from "node:os";

/**
 * Where a process reads time: one clock a process, made in `main.ts` or by a test, and passed down. A decision takes
 * an instant as an argument; only services hold the clock.
 */
export type Clock = {
  /** UTC now, in whole seconds since 1970-01-01T00:00:00Z (an `Instant`). May step when somebody sets it. */
  now(): number;
  /** The same moment in milliseconds: for logs and audit, never for terms. */
  milliseconds(): number;
  /** Milliseconds since the machine booted, sleep included. Nobody can set it, so it measures how long things take. */
  uptime(): number;
};

/** The machine's own clock. */
export function systemClock(): Clock {
  return {
    now: () => Math.floor(Date.now() / 1000),
    milliseconds: () => Date.now(),
    uptime: () => Math.round(uptime() * 1000),
  };
}

/** Certificates are of this world, as TLS checks them, whatever time a service was told or a test pretends. */
export function realTime(): Date {
  return new Date(systemClock().milliseconds());
}
