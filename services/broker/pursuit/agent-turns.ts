import { Fault } from "#shared/model/errors.ts";

/** Who wants to know what an agent has: an acquisition goes before dry runs. */
export type Purpose = "acquisition" | "dry run";

/** So many questions one agent is asked at once; one of them is always left to acquisitions. */
const AT_ONCE = { acquisition: 4, "dry run": 3 } as const;

/** Turns at one agent: a few questions are under way at once, whatever is wanted of a broker; the others wait. */
export class AgentTurns {
  #underWay = 0;
  readonly #waiting: Readonly<Record<Purpose, (() => void)[]>> = { acquisition: [], "dry run": [] };

  /** Asks when there is a turn for it. Throws BUSY, with nothing asked, when none comes within `withinMs`. */
  async take<T>(purpose: Purpose, withinMs: number, ask: () => Promise<T>): Promise<T> {
    if (this.#underWay < AT_ONCE[purpose]) this.#underWay += 1;
    else await this.#turn(purpose, withinMs);
    try {
      return await ask();
    } finally {
      this.#underWay -= 1;
      this.#next();
    }
  }

  #turn(purpose: Purpose, withinMs: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const line = this.#waiting[purpose];
    const timer = setTimeout(() => {
      line.splice(line.indexOf(begin), 1);
      reject(new Fault("BUSY", "an agent is answering others and had no turn left in time; try again"));
    }, withinMs);
    const begin = () => {
      clearTimeout(timer);
      resolve();
    };
    line.push(begin);
    return promise;
  }

  #next(): void {
    for (const purpose of ["acquisition", "dry run"] as const) {
      const begin = this.#underWay < AT_ONCE[purpose] && this.#waiting[purpose].shift();
      if (!begin) continue;
      this.#underWay += 1;
      begin();
      return;
    }
  }
}
