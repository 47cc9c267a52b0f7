/** Something done over and over, one round after the other. Disposing of it begins none any more, and waits for the last. */
export type Rounds = AsyncDisposable & {
  /** Does it now, or joins the round that is under way. Never fails. */
  round(): Promise<void>;
};

export type RoundsTerms = {
  /** From the end of one round to the beginning of the next, in milliseconds. */
  readonly everyMs: number;
  /** Told what a round failed with, unless it was being ended. The next one comes in its turn all the same. */
  readonly onFailure: (error: unknown) => void;
};

/** Does `work` now and then every so often. Its signal tells it that it is to end. */
export function startRounds(
  work: (signal: AbortSignal) => Promise<void>,
  { everyMs, onFailure }: RoundsTerms,
): Rounds {
  const ending = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;

  async function once(): Promise<void> {
    try {
      await work(ending.signal);
    } catch (error) {
      if (!ending.signal.aborted) onFailure(error);
    }
  }

  function round(): Promise<void> {
    clearTimeout(timer);
    running ??= once().finally(() => {
      running = undefined;
      if (!ending.signal.aborted) timer = setTimeout(round, everyMs);
    });
    return running;
  }

  void round();
  return {
    round,
    async [Symbol.asyncDispose]() {
      ending.abort();
      clearTimeout(timer);
      await running;
    },
  };
}
