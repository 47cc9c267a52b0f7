import { type Leg, lateAfter } from "./lateness.ts";

/** What one attempt is told, and tells. */
export type Attempt = {
  /** Aborted when enough others have succeeded, or the whole is to end: then it ends at once, by throwing. */
  readonly signal: AbortSignal;
  /** It goes on with this. */
  readonly begin: (leg: Leg) => void;
};

export type RaceTerms<C> = {
  /** How many are to succeed. */
  readonly wanted: number;
  /** What one attempt is given, in milliseconds, for each leg. */
  readonly deadlineMs: number;
  /** Ends it all: its reason is thrown. */
  readonly signal: AbortSignal;
  /** Whom there is to begin with, in order of preference. */
  readonly candidates: readonly C[];
  /** Resolves with whether it succeeded; rejects for defects of ours alone, and when its signal is aborted. */
  readonly attempt: (candidate: C, attempt: Attempt) => Promise<boolean>;
  /** Further candidates, `count` at most; none when there will be no more. Called by one caller at a time. */
  readonly more: (count: number) => Promise<readonly C[]>;
  readonly progress: (succeeded: number, failed: number) => void;
  /** Milliseconds of a clock that is never set. */
  readonly elapsed: () => number;
};

/** How a race ended for those who took part in it. `cutOff`: they were still at it when enough had succeeded. */
export type RaceEnd<C> = { readonly succeeded: readonly C[]; readonly cutOff: readonly C[] };

type Running<C> = {
  readonly candidate: C;
  readonly stop: AbortController;
  leg: Leg | undefined;
  legBegan: number;
  late: boolean;
};

/** Those that are not late: a thousand handshakes at once would make each of them late. */
const AT_ONCE = 64;
/** However few are wanted, so many late ones are given a stand-in. */
const LEAST_STAND_INS = 3;
const TICK_MS = 50;

/**
 * Tries candidates side by side until as many as are wanted have succeeded. Whoever fails is replaced at once; whoever
 * is late (see `lateAfter`) gets a stand-in and goes on beside it; when enough have succeeded, the others are cut off.
 * Where everybody is slow, no more than as many again are tried.
 */
export async function race<C>(terms: RaceTerms<C>): Promise<RaceEnd<C>> {
  return await new Race(terms).run();
}

class Race<C> {
  readonly #terms: RaceTerms<C>;
  readonly #queue: C[];
  readonly #running = new Set<Running<C>>();
  readonly #succeeded: C[] = [];
  /** Milliseconds that each leg took those who finished it. */
  readonly #took = new Map<Leg, number[]>();
  /** Everything under way; none of it rejects. */
  readonly #work = new Set<Promise<void>>();
  readonly #end = Promise.withResolvers<void>();
  #defect: { readonly error: unknown } | undefined;
  #failed = 0;
  #fetching = false;
  #exhausted = false;
  #over = false;

  constructor(terms: RaceTerms<C>) {
    this.#terms = terms;
    this.#queue = [...terms.candidates];
  }

  async run(): Promise<RaceEnd<C>> {
    const { signal } = this.#terms;
    signal.throwIfAborted();
    const end = () => this.#end.resolve();
    signal.addEventListener("abort", end, { once: true });
    const tick = setInterval(() => this.#look(), TICK_MS);
    this.#advance();
    await this.#end.promise;
    clearInterval(tick);
    signal.removeEventListener("abort", end);
    this.#over = true;
    const cutOff = [...this.#running];
    const reason = signal.aborted ? signal.reason : new DOMException("enough others succeeded", "AbortError");
    for (const { stop } of cutOff) stop.abort(reason);
    await Promise.all(this.#work);
    signal.throwIfAborted();
    if (this.#defect) throw this.#defect.error;
    return { succeeded: this.#succeeded, cutOff: cutOff.map(({ candidate }) => candidate) };
  }

  /** Does whatever is to be done now: called after everything that happened, and every now and then. */
  #advance(): void {
    if (this.#over) return;
    const { wanted, progress } = this.#terms;
    progress(this.#succeeded.length, this.#failed);
    let short = wanted - this.#succeeded.length - this.#counted;
    for (; short > 0 && this.#queue.length > 0 && this.#onTime < AT_ONCE; short--) {
      this.#do(this.#attempt(this.#queue.shift()!));
    }
    const lacking = short - this.#queue.length;
    if (lacking > 0 && !this.#fetching && !this.#exhausted) this.#do(this.#fetch(lacking));
    if (this.#succeeded.length >= wanted || this.#work.size === 0 || this.#defect) this.#end.resolve();
  }

  /** What a defect of ours is, is kept: the race ends with it. */
  #do(work: Promise<void>): void {
    const done = work
      .catch((error: unknown) => {
        this.#defect ??= { error };
      })
      .then(() => {
        this.#work.delete(done);
        this.#advance();
      });
    this.#work.add(done);
  }

  get #onTime(): number {
    return [...this.#running].filter(({ late }) => !late).length;
  }

  /** Those that are trusted to succeed, and late ones beyond as many as may have a stand-in. */
  get #counted(): number {
    const late = this.#running.size - this.#onTime;
    return this.#onTime + Math.max(0, late - Math.max(LEAST_STAND_INS, this.#terms.wanted));
  }

  /** Looks whether somebody is late now. */
  #look(): void {
    const { wanted, deadlineMs, elapsed } = this.#terms;
    const now = elapsed();
    const limits = new Map<Leg, number>();
    for (const running of this.#running) {
      const { leg, legBegan, late } = running;
      if (!leg || late) continue;
      const took = this.#took.get(leg) ?? [];
      const limit = limits.get(leg) ?? lateAfter(leg, { took, wanted, deadlineMs });
      limits.set(leg, limit);
      running.late = now - legBegan > limit;
    }
    this.#advance();
  }

  async #attempt(candidate: C): Promise<void> {
    const { attempt, elapsed } = this.#terms;
    const stop = new AbortController();
    const running: Running<C> = { candidate, stop, leg: undefined, legBegan: 0, late: false };
    const begin = (leg: Leg) => {
      this.#finishLeg(running);
      Object.assign(running, { leg, legBegan: elapsed() });
    };
    this.#running.add(running);
    try {
      const succeeded = await attempt(candidate, { signal: stop.signal, begin });
      if (this.#over) return;
      if (!succeeded) this.#failed += 1;
      else this.#succeeded.push(candidate);
      if (succeeded) this.#finishLeg(running);
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    } finally {
      this.#running.delete(running);
    }
  }

  #finishLeg({ leg, legBegan }: Running<C>): void {
    if (!leg) return;
    const took = this.#took.get(leg) ?? [];
    took.push(this.#terms.elapsed() - legBegan);
    this.#took.set(leg, took);
  }

  async #fetch(count: number): Promise<void> {
    this.#fetching = true;
    const more = await this.#terms.more(count);
    this.#fetching = false;
    this.#exhausted = more.length === 0;
    this.#queue.push(...more);
  }
}
