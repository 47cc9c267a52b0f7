import type { KeyName } from "#shared/identity/key.ts";
import type { Fault } from "#shared/model/errors.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database } from "#shared/runtime/database.ts";
import type { Log } from "#shared/runtime/log.ts";
import { addStrangerRefusals, auditPrincipal } from "./store/audit/audit.ts";

/** The call that was refused. `peer` is null on the plain port, or when nobody could be made out. */
export type RefusedCall = { readonly peer: { readonly name: KeyName } | null; readonly method: string };

/** Longest sentence an audit keeps of a refusal. */
const SENTENCE_CHARACTERS = 400;

/**
 * Records refusals: those of principals one by one, durable before they are answered; those of strangers only counted,
 * so that they can't fill a disk (RELIABILITY I13).
 */
export class Refusals implements AsyncDisposable {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #log: Log;
  #strangers = new Map<string, { method: string; outcome: string; times: number }>();

  constructor(database: Database, clock: Clock, log: Log) {
    this.#database = database;
    this.#clock = clock;
    this.#log = log;
  }

  /** Throws STORE_DOWN when it cannot be written; a refusal for that very reason is not even tried. */
  async record(fault: Fault, { peer, method }: RefusedCall): Promise<void> {
    if (fault.name === "STORE_DOWN") return;
    const known =
      peer &&
      (await auditPrincipal(this.#database, {
        at: this.#clock.milliseconds(),
        who: peer.name,
        method,
        outcome: fault.name,
        detail: { sentence: fault.sentence.slice(0, SENTENCE_CHARACTERS) },
      }));
    if (!known) this.countStranger(fault, method);
  }

  countStranger({ name: outcome }: Fault, method: string): void {
    const key = `${method} ${outcome}`;
    const { times } = this.#strangers.get(key) ?? { times: 0 };
    this.#strangers.set(key, { method, outcome, times: times + 1 });
  }

  /** Writes the counts of strangers so far. Called now and then, and at the end. */
  async flush(): Promise<void> {
    const strangers = this.#strangers;
    if (strangers.size === 0) return;
    this.#strangers = new Map();
    try {
      await addStrangerRefusals(this.#database, strangers, this.#clock.milliseconds());
    } catch (error) {
      for (const [key, count] of strangers) {
        const { times } = this.#strangers.get(key) ?? { times: 0 };
        this.#strangers.set(key, { ...count, times: count.times + times });
      }
      throw error;
    }
  }

  /** What cannot be written at the end is lost: counts of strangers are worth no start that waits for a database. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.flush();
    } catch (error) {
      this.#log.warn({ err: error }, "refusals of strangers were not counted");
    }
  }
}
