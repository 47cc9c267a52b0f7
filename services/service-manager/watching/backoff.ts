/** When things that failed are tried again: soon at first, then ever later. Times are milliseconds since boot. */
export class Backoff {
  readonly #first: number;
  readonly #longest: number;
  readonly #waits = new Map<string, { readonly wait: number; readonly until: number }>();

  constructor(firstMilliseconds: number, longestMilliseconds: number) {
    this.#first = firstMilliseconds;
    this.#longest = longestMilliseconds;
  }

  isDue(what: string, uptime: number): boolean {
    return uptime >= (this.#waits.get(what)?.until ?? Number.NEGATIVE_INFINITY);
  }

  failed(what: string, uptime: number): void {
    const before = this.#waits.get(what)?.wait;
    const wait = Math.min(this.#longest, before === undefined ? this.#first : before * 2);
    this.#waits.set(what, { wait, until: uptime + wait });
  }

  succeeded(what: string): void {
    this.#waits.delete(what);
  }
}
