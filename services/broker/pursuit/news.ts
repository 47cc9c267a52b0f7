/** Wakes whoever waits for an acquisition to come further. News may come for nothing: the waiting look themselves. */
export class News {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** How many wait. */
  get waiting(): number {
    return [...this.#waiting.values()].reduce((sum, waiters) => sum + waiters.size, 0);
  }

  /** Begins to listen for news of one acquisition, before it is looked at. Dispose of it. */
  of(id: string): Disposable & { within(milliseconds: number): Promise<void> } {
    let { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => resolve();
    const waiters = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, waiters.add(wake));
    return {
      async within(milliseconds) {
        const timer = setTimeout(resolve, milliseconds);
        await promise;
        clearTimeout(timer);
        ({ promise, resolve } = Promise.withResolvers<void>());
      },
      [Symbol.dispose]: () => {
        waiters.delete(wake);
        if (waiters.size === 0) this.#waiting.delete(id);
      },
    };
  }

  tell(id: string): void {
    for (const wake of this.#waiting.get(id) ?? []) wake();
  }

  /** Something may have been missed. */
  tellAll(): void {
    for (const id of this.#waiting.keys()) this.tell(id);
  }
}
