import type { Log } from "#shared/runtime/log.ts";
import { startRounds } from "#shared/runtime/rounds.ts";

/** Work that nobody waits for. It is told by the signal when it is to stop. */
export type Work = (signal: AbortSignal) => Promise<void>;

/** Something done over and over, and things done once. Disposing of it stops what runs and waits for that. */
export type Background = AsyncDisposable & {
  run(work: Work): void;
};

/** Does `scan` now and then every `everySeconds` after it finished. What fails is logged, and done again in its turn. */
export function startBackground(scan: () => Promise<void>, everySeconds: number, log: Log): Background {
  const running = new Set<Promise<void>>();
  const stopping = new AbortController();
  const onFailure = (err: unknown) =>
    log.warn({ err }, "work in the background failed and will be tried again");
  const rounds = startRounds(scan, { everyMs: everySeconds * 1000, onFailure });

  async function attempt(work: Work): Promise<void> {
    try {
      await work(stopping.signal);
    } catch (error) {
      if (!stopping.signal.aborted) onFailure(error);
    }
  }

  return {
    run(work) {
      const done = attempt(work).finally(() => running.delete(done));
      running.add(done);
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await rounds[Symbol.asyncDispose]();
      await Promise.all(running);
    },
  };
}
