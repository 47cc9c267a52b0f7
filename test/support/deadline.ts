import { setTimeout as pause } from "node:timers/promises";

export type Deadline = {
  /** How long to wait before giving up; generous, because a passing test never waits it out. */
  readonly withinMs?: number;
  /** How often to look. */
  readonly everyMs?: number;
  /** What was waited for, for the failure's message. */
  readonly what?: string;
};

const DEFAULT_WITHIN_MILLISECONDS = 60_000;
const DEFAULT_EVERY_MILLISECONDS = 20;

/**
 * Calls `look` until it neither throws nor returns undefined or false, and gives back what it returned. When time runs
 * out, the last error is the cause of the failure. A block of assertions has to end in `return true`.
 */
export async function eventually<T>(
  look: () => T | Promise<T>,
  deadline: Deadline = {},
): Promise<Exclude<T, undefined | false>> {
  const until = performance.now() + (deadline.withinMs ?? DEFAULT_WITHIN_MILLISECONDS);
  for (;;) {
    let cause: unknown;
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen as Exclude<T, undefined | false>;
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= until) throw late(deadline, cause);
    await pause(deadline.everyMs ?? DEFAULT_EVERY_MILLISECONDS);
  }
}

/** Gives back what `promise` settles to, or fails once `withinMs` have passed. */
export async function within<T>(promise: Promise<T>, deadline: Deadline = {}): Promise<T> {
  const { promise: expired, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(late(deadline, undefined)),
    deadline.withinMs ?? DEFAULT_WITHIN_MILLISECONDS,
  );
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}

/** Lets a time pass that is itself what is tested: the moment of a kill, say. To wait for something, use `eventually`. */
export function lapse(milliseconds: number): Promise<void> {
  return pause(milliseconds);
}

function late(deadline: Deadline, cause: unknown): Error {
  const waited = deadline.withinMs ?? DEFAULT_WITHIN_MILLISECONDS;
  return new Error(`${deadline.what ?? "what was waited for"} did not happen within ${waited} ms`, { cause });
}
