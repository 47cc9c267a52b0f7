import { Fault } from "#shared/model/errors.ts";

/** One thing at a time is done to each of many; the same work asked for again, while it is done, is the same work. */
export class Turns implements AsyncDisposable {
  readonly #last = new Map<string, Promise<void>>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #ending = new AbortController();

  /** Aborted when no more work begins: what was begun gives up waiting. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  /** Does this kind of work to that one when everything asked for before is over. Throws BUSY when no more work begins. */
  take(kind: string, one: string, work: () => Promise<void>): Promise<void> {
    const key = `${kind} ${one}`;
    const known = this.#running.get(key);
    if (known) return known;
    const before = this.#last.get(one) ?? Promise.resolve();
    const begin = () => {
      this.ending.throwIfAborted();
      return work();
    };
    const done = before.then(begin, begin).finally(() => {
      this.#running.delete(key);
      if (this.#last.get(one) === done) this.#last.delete(one);
    });
    done.catch(() => undefined); // whoever waits for it learns of it
    this.#running.set(key, done);
    this.#last.set(one, done);
    return done;
  }

  /** Whether something is done to that one, or is to be. */
  busy(one: string): boolean {
    return this.#last.has(one);
  }

  /** No more work begins; resolves when none is done any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort(new Fault("BUSY", "the node manager is stopping; ask again in a moment"));
    await Promise.allSettled(this.#running.values());
  }
}
