import type { Log } from "#shared/runtime/log.ts";

/** Something done over and over, and things done once that nobody waits for. Disposing of it waits for what runs. */
export type Background = AsyncDisposable & {
  run(work: () => Promise<void>): void;
};

/** Does `scan` now and then every `everySeconds` after it finished. What fails is logged, and done again in its turn. */
export function startBackground(scan: () => Promise<void>, everySeconds: number, log: Log): Background {
  const running = new Set<Promise<void>>();
  let timer: NodeJS.Timeout | undefined;
  let ended = false;

  function run(work: () => Promise<void>): void {
    const done = attempt(work, log).finally(() => running.delete(done));
    running.add(done);
  }

  function turn(): void {
    run(async () => {
      await attempt(scan, log);
      if (!ended) timer = setTimeout(turn, everySeconds * 1000);
    });
  }

  turn();
  return {
    run,
    async [Symbol.asyncDispose]() {
      ended = true;
      clearTimeout(timer);
      await Promise.all(running);
    },
  };
}

async function attempt(work: () => Promise<void>, log: Log): Promise<void> {
  try {
    await work();
  } catch (error) {
    log.warn({ err: error }, "work in the background failed and will be tried again");
  }
}
