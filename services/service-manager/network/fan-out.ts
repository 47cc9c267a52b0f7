import pLimit from "p-limit";
import type { CallOptions } from "#shared/wire/xmlrpc/client.ts";
import { type CallFailure, isCallFailure, TransportError } from "#shared/wire/xmlrpc/transport-error.ts";

/** How work on many nodes is done: how long each may take, and who is told. */
export type Effort = {
  /** Aborted when the whole command is to end: its reason is thrown. */
  readonly signal: AbortSignal;
  /** For each node by itself, in milliseconds. */
  readonly deadlineMs: number;
  readonly progress: Progress;
  /** Told what somebody should know although the work goes on. */
  readonly notice?: (line: string) => void;
};

/** Told how far the work on many nodes has come; with a total of 0, the step says it all. */
export type Progress = (step: string, done: number, total: number, failed: number) => void;

/** What came of one of many. Failures are what a node or a network can do to us; defects of ours are thrown. */
export type Outcome<I, T> =
  | { readonly ok: true; readonly item: I; readonly value: T }
  | { readonly ok: false; readonly item: I; readonly error: CallFailure };

const AT_ONCE = 64;

/**
 * Does `work` for every item, 64 at a time, and gives back all outcomes in order, whatever some of them were. When the
 * command is interrupted, what is under way is finished or cut off first, and then the reason is thrown.
 */
export async function onEach<I, T>(
  step: string,
  items: readonly I[],
  work: (item: I) => Promise<T>,
  { signal, progress }: Pick<Effort, "signal" | "progress">,
): Promise<Outcome<I, T>[]> {
  const limit = pLimit(AT_ONCE);
  let [done, failed] = [0, 0];
  if (items.length > 0) progress(step, done, items.length, failed);
  const settled = await Promise.allSettled(
    items.map((item) =>
      limit(async () => {
        signal.throwIfAborted();
        const outcome = await outcomeOf(item, work);
        done += 1;
        if (!outcome.ok) failed += 1;
        progress(step, done, items.length, failed);
        return outcome;
      }),
    ),
  );
  signal.throwIfAborted();
  return settled.map((s) => {
    if (s.status === "rejected") throw s.reason;
    return s.value;
  });
}

async function outcomeOf<I, T>(item: I, work: (item: I) => Promise<T>): Promise<Outcome<I, T>> {
  try {
    return { ok: true, item, value: await work(item) };
  } catch (error) {
    if (!isCallFailure(error)) throw error;
    return { ok: false, item, error };
  }
}

/** What one call to a node or agent is limited by. */
export function callOptions({ signal, deadlineMs }: Pick<Effort, "signal" | "deadlineMs">): CallOptions {
  return { signal, timeoutMs: deadlineMs };
}

/** An effort whose deadline is one for all it is spent on together: `ms` from now, by a clock that is never set. */
export function sharing(effort: Effort, ms: number, elapsed: () => number): Effort {
  const end = elapsed() + ms;
  return {
    signal: effort.signal,
    progress: effort.progress,
    get deadlineMs() {
      return Math.max(1, Math.ceil(end - elapsed()));
    },
  };
}

/** Gives `work` a signal that ends it at the node's deadline, and tells a missed deadline as such. */
export async function withinDeadline<T>(
  what: string,
  { signal, deadlineMs }: Pick<Effort, "signal" | "deadlineMs">,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = AbortSignal.timeout(deadlineMs);
  try {
    return await work(AbortSignal.any([signal, deadline]));
  } catch (error) {
    signal.throwIfAborted();
    if (!deadline.aborted) throw error;
    throw new TransportError("timeout", `${what} took longer than ${deadlineMs} ms`, { cause: error });
  }
}
