import { refuseUnless } from "#shared/model/errors.ts";

/** So many of one caller are under way at once. */
const AT_ONCE = 8;

/** The dry runs that are under way, of each caller. */
export class DryRuns {
  readonly #underWay = new Map<string, number>();

  /** Throws RATE_LIMITED, with nothing done, when the caller has as many under way as one may. */
  async run<T>(caller: string, work: () => Promise<T>): Promise<T> {
    const others = this.#underWay.get(caller) ?? 0;
    refuseUnless(
      others < AT_ONCE,
      "RATE_LIMITED",
      `you have ${others} dry runs under way here, as many as one may; wait for one to end`,
    );
    this.#underWay.set(caller, others + 1);
    try {
      return await work();
    } finally {
      const left = (this.#underWay.get(caller) ?? 1) - 1;
      if (left > 0) this.#underWay.set(caller, left);
      else this.#underWay.delete(caller);
    }
  }
}
