import type { KeyName } from "#shared/identity/key.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { type Rounds, startRounds } from "#shared/runtime/rounds.ts";
import type { AuthorityConfig } from "./config.ts";
import { type Registrar, readRegistrars } from "./registrars.ts";

/** What an authority that serves certifies, for whom, and how long its lists are good for. */
export type AuthorityLimits = {
  readonly registrars: ReadonlyMap<KeyName, Registrar>;
  readonly longestDays: number;
  readonly certificatesADay: number;
  readonly listDays: number;
};

export type LimitTerms = {
  /** What the operator has written now. Throws OperatorError for what can't be used. */
  readonly read: () => AuthorityConfig;
  readonly log: Record<"info" | "warn", (details: object, message: string) => void>;
  readonly everyMs: number;
};

/**
 * What an authority allows, as its configuration and the registrars' certificates say that it names, followed while it
 * serves. What is put there and can't be used is complained of once, and what was used before goes on being used.
 */
export class FollowedLimits implements AsyncDisposable {
  readonly #terms: LimitTerms;
  readonly #rounds: Rounds;
  #limits: AuthorityLimits;
  #refusal: string | undefined;

  private constructor(terms: LimitTerms, limits: AuthorityLimits) {
    this.#terms = terms;
    this.#limits = limits;
    this.#rounds = startRounds(() => this.#look(), {
      everyMs: terms.everyMs,
      onFailure: (err) => terms.log.warn({ err }, "the authority's configuration could not be looked at"),
    });
  }

  /** Throws OperatorError, since without registrars that can be read nothing is to be started. */
  static async open(terms: LimitTerms): Promise<FollowedLimits> {
    return new FollowedLimits(terms, await limitsOf(terms.read()));
  }

  readonly now = (): AuthorityLimits => this.#limits;

  async #look(): Promise<void> {
    const { read, log } = this.#terms;
    let found: AuthorityLimits;
    try {
      found = await limitsOf(read());
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      if (this.#refusal !== error.message)
        log.warn({ reason: error.message }, "what the configuration says now is not used");
      this.#refusal = error.message;
      return;
    }
    this.#refusal = undefined;
    if (textOf(found) === textOf(this.#limits)) return;
    this.#limits = found;
    log.info({ registrars: [...found.registrars.values()] }, "other registrars or limits hold from now on");
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#rounds[Symbol.asyncDispose]();
  }
}

async function limitsOf(config: AuthorityConfig): Promise<AuthorityLimits> {
  const { longest_days: longestDays, certificates_a_day: certificatesADay, list_days: listDays } = config;
  return { registrars: await readRegistrars(config.registrars), longestDays, certificatesADay, listDays };
}

function textOf({ registrars, ...numbers }: AuthorityLimits): string {
  return JSON.stringify([[...registrars.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1)), numbers]);
}
