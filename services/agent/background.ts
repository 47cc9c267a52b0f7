import type { Log } from "#shared/runtime/log.ts";

/** Work that nobody waits for. It is told by the signal when it is to stop. */
export type Work = (signal: AbortSignal) => Promise<void>;

/** Something done over and over, and things done once. Disposing of it stops what runs and waits for that. */
export type Background = AsyncDisposable & {
  run(work: Work): void;
};

/** Does `scan` now and then every `everySeconds` after it finished. What fails is logged, and done again in its turn. */
export function startBackground(scan: () => Promise<void>, everySeconds: number, log: Log): Background {
  const running = new Set<Promise<void>>();
  let timer: NodeJS.Timeout | undefined;
  const stopping = new AbortController();

  function run(work: Work): void {
    const done = attempt(work, stopping.signal, log).finally(() => running.delete(done));
    running.add(done);
  }

  function turn(): void {
    run(async () => {
      await attempt(scan, stopping.signal, log);
      if (!stopping.signal.aborted) timer = setTimeout(turn, everySeconds * 1000);
    });
  }

  turn();
  return {
    run,
    async [Symbol.asyncDispose]() {
      stopping.abort();
      clearTimeout(timer);
      await Promise.all(running);
    },
  };
}

async function attempt(work: Work, signal: AbortSignal, log: Log): Promise<void> {
  try {
    await work(signal);
  } catch (error) {
    if (!signal.aborted) log.warn({ err: error }, "work in the background failed and will be tried again");
  }
}
