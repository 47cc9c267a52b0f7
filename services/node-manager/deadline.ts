/** How long the node manager waits for others, in milliseconds. */
export type Deadlines = {
  /** A caller, for its sliver to be made or removed; the work goes on and the caller asks again. */
  readonly answerMs: number;
  /** An engine, to make a sliver: after that the lease is undone. */
  readonly ensureMs: number;
  /** An engine, to stop or remove a sliver, or to say what it has: after that it is asked again later. */
  readonly engineMs: number;
};

export const DEADLINES: Deadlines = { answerMs: 60_000, ensureMs: 300_000, engineMs: 60_000 };

export type Limit = {
  readonly withinMs: number;
  /** What is thrown when time runs out. */
  readonly late: () => Error;
  /** Gives up at once, with the signal's reason. */
  readonly signal?: AbortSignal;
};

/** What `promise` settles to, unless time runs out before. The promise is left to itself then. */
export async function byDeadline<T>(promise: Promise<T>, { withinMs, late, signal }: Limit): Promise<T> {
  const { promise: given, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(late()), withinMs);
  const abort = () => reject(signal?.reason);
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, given]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
    promise.catch(() => undefined); // what comes of it later is nobody's any more
  }
}
