import type { PublicKey } from "#shared/identity/key.ts";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Database, Tx } from "#shared/runtime/database.ts";
import { checkPresented, openRequest, type SliceRequest } from "#shared/wire/request-document.ts";
import {
  addRefused,
  countOf,
  findAcquisition,
  findBySerial,
  insertAcquisition,
  lockPrincipal,
  type Narrowed,
  reopen,
  type StoredAcquisition,
} from "../store/acquisitions.ts";
import type { KnownAgents } from "./known-agents.ts";

/** What one principal may have here. */
export type IntakeLimits = { readonly atOnce: number; readonly kept: number };

/** What a caller makes of a request. */
export type Narrowing = { readonly [K in keyof Narrowed]?: Narrowed[K] | undefined };

/** More tickets than that do not go into one answer. */
const MAX_TICKETS = 2_000;

type Parts = {
  readonly database: Database;
  readonly agents: KnownAgents;
  /** The name of the broker's own key. */
  readonly broker: string;
  readonly limits: IntakeLimits;
};

/** Takes requests in: what it has written down is done, once, whatever happens to whoever asked and to this broker. */
export class Intake {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * The acquisition for a request that `caller` presents: a new one, or what became of the same request before. One
   * that failed for what may have passed since is begun anew.
   *
   * Throws NOT_PRINCIPAL when it is another's request, or for another broker; EXPIRED; BAD_SIGNATURE; BAD_CHAIN when
   * its serial was used for another; RATE_LIMITED and QUOTA.
   */
  async accept(
    text: string,
    narrowing: Narrowing,
    caller: PublicKey,
    now: Instant,
  ): Promise<{ readonly acquisition: StoredAcquisition; readonly begun: boolean }> {
    const { id, request } = openRequest(text, caller);
    const known = await findAcquisition(this.#parts.database, id);
    if (known && !mayBeTriedAgain(known)) return { acquisition: known, begun: false };
    checkPresented(request, { broker: this.#parts.broker, now });
    this.#checkAnswerable(request);
    const narrowed = narrowedTo(request, narrowing);
    return await this.#parts.database.transaction(async (tx) => {
      await lockPrincipal(tx, request.principal);
      const begun = await this.#begin(tx, { id, request, text, narrowed, caller }, now);
      const acquisition = await findAcquisition(tx, id);
      if (!acquisition) throw new TypeError("an acquisition was written and is not there");
      return { acquisition, begun };
    });
  }

  /** Whether there is work to do that was not there before. */
  async #begin(tx: Tx, { id, request, text, narrowed, caller }: Presented, now: Instant): Promise<boolean> {
    const { principal, serial } = request;
    const earlier = await findBySerial(tx, principal, serial);
    refuseUnless(
      earlier === undefined || earlier.id === id,
      "BAD_CHAIN",
      "the serial of this request was used before for another one; sign one with a new serial",
    );
    if (earlier && !mayBeTriedAgain(earlier)) return false;
    await this.#checkLimits(tx, principal, earlier !== undefined);
    if (earlier) await reopen(tx, id);
    else {
      const principalKey = caller.spki;
      const { validTo: requestEnd } = request;
      await insertAcquisition(
        tx,
        { ...narrowed, id, principal, serial, request: text, principalKey, requestEnd },
        now,
      );
    }
    const strangers = request.agents.filter((agent) => !this.#parts.agents.knows(agent));
    const reason = "is an agent that this broker is not configured for";
    if (strangers.length > 0)
      await addRefused(
        tx,
        id,
        strangers.map((agent) => ({ node: "", agent, reason })),
      );
    return true;
  }

  async #checkLimits(tx: Tx, principal: string, known: boolean): Promise<void> {
    const { atOnce, kept } = this.#parts.limits;
    const { working, all } = await countOf(tx, principal);
    refuseUnless(
      working < atOnce,
      "RATE_LIMITED",
      `you have ${working} acquisitions under way here, as many as one may; wait for one to end`,
    );
    refuseUnless(
      known || all < kept,
      "QUOTA",
      `you have had ${all} acquisitions here lately, as many as are remembered; they are forgotten a day after they end`,
    );
  }

  #checkAnswerable({ agents, description }: SliceRequest): void {
    refuseUnless(
      agents.some((agent) => this.#parts.agents.knows(agent)),
      "UNKNOWN_KEY",
      "the request names none of the agents that this broker is configured for; getconfig lists those",
    );
    refuseUnless(
      description.resources !== undefined,
      "MALFORMED",
      "the description in a request has to say its resources: agents differ in what they give by default",
    );
    const { count, standby } = description.nodes;
    refuseUnless(
      count + standby <= MAX_TICKETS,
      "TOO_LARGE",
      `a request is for at most ${MAX_TICKETS} tickets, standbys included; ask with several`,
    );
  }
}

type Presented = {
  readonly id: string;
  readonly request: SliceRequest;
  readonly text: string;
  readonly narrowed: Narrowed;
  readonly caller: PublicKey;
};

/** A failure that says nothing of the request itself: all of it can be tried again. */
function mayBeTriedAgain({ state, fault }: StoredAcquisition): boolean {
  return state === "failed" && fault !== null && new Fault(fault, "").retryable;
}

/** Arguments may ask for less than the principal signed for, never for more. */
function narrowedTo({ description }: SliceRequest, narrowing: Narrowing): Narrowed {
  const { count, atleast, standby } = description.nodes;
  const wanted = narrowing.wanted ?? count;
  const narrowed = {
    wanted,
    atleast: narrowing.atleast ?? Math.min(atleast, wanted),
    standby: narrowing.standby ?? standby,
    held: narrowing.held ?? [],
    avoided: narrowing.avoided ?? [],
  };
  refuseUnless(
    wanted >= 1 && wanted <= count && narrowed.standby <= standby,
    "MALFORMED",
    `the request is for 1 to ${count} nodes and at most ${standby} in standby; wanted and standby can only be less`,
  );
  refuseUnless(
    narrowed.atleast >= 1 && narrowed.atleast <= wanted,
    "MALFORMED",
    `atleast is ${narrowed.atleast}; it must be 1 to ${wanted}, which is what is wanted`,
  );
  return narrowed;
}
