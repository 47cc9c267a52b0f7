import { publicKeyFromSpki } from "#shared/identity/key.ts";
import { Fault } from "#shared/model/errors.ts";
import { CLOCK_SLACK } from "#shared/model/time.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database } from "#shared/runtime/database.ts";
import type { Log } from "#shared/runtime/log.ts";
import { openRequest } from "#shared/wire/request-document.ts";
import { type CallFailure, isCallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import { acquire } from "../acquisition/acquisition.ts";
import { isRefusal, makeAsk, type Terms, type TicketAgent } from "../acquisition/ask.ts";
import {
  addRefused,
  type Claim,
  claim,
  dropClaim,
  endAcquisition,
  type Failure,
  findAcquisition,
  keepClaim,
  lockClaimed,
  type StoredAcquisition,
  tell,
} from "../store/acquisitions.ts";
import { asksOf, type StoredAsk } from "../store/asks.ts";
import { failuresOf, forgetFailures, noteFailure, type Waits } from "../store/retries.ts";
import { countHeld, giveUpTickets, heldTickets } from "../store/tickets.ts";
import { ClaimLost, DurableBook } from "./durable-book.ts";
import type { KnownAgents } from "./known-agents.ts";

/** Why an attempt failed is remembered so long after its request is over, in seconds. */
const DAY = 86_400;

type Parts = {
  readonly database: Database;
  readonly agents: KnownAgents;
  readonly clock: Clock;
  readonly log: Log;
  /** The name of this process among those that share the database. */
  readonly worker: string;
  readonly claimSeconds: number;
  /** Between attempts that failed. */
  readonly waits: Waits;
};

/** Works at acquisitions, from wherever somebody left them, to their end. */
export class Pursuit {
  readonly #parts: Parts;
  /** Counted for the metrics. */
  readonly counts = { done: 0, failed: 0, lost: 0 };

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Brings an acquisition to its end, unless it is over or somebody else works at it. What was asked for before and
   * never answered is asked again first: the same tickets come of it. Throws what is no agent's doing, such as
   * STORE_DOWN; then whoever looks when it is due goes on, ever later, until the request is over: then the acquisition
   * ends, with the reason.
   */
  async pursue(id: string): Promise<void> {
    const { database, worker, claimSeconds, log } = this.#parts;
    const claimed = await claim(database, id, worker, claimSeconds);
    if (!claimed) return;
    const keeping = this.#keep(claimed);
    try {
      await this.#bringToEnd(claimed);
    } catch (error) {
      if (!(error instanceof ClaimLost)) {
        await this.#putOff(claimed, error).catch((err) =>
          log.debug({ err, id }, "a claim was left to lapse"),
        );
        throw error;
      }
      this.counts.lost += 1;
      log.info({ id }, "somebody else went on with an acquisition");
    } finally {
      clearInterval(keeping);
    }
  }

  async #putOff(claimed: Claim, error: unknown): Promise<void> {
    const { database, clock, waits } = this.#parts;
    const acquisition = await findAcquisition(database, claimed.id);
    const over = (acquisition?.requestEnd ?? clock.now()) + DAY;
    // What is not meant for callers is in the log alone.
    const reason = error instanceof Fault ? error.sentence : "something failed inside it";
    await noteFailure(database, claimed.id, reason, waits, over);
    await dropClaim(database, claimed);
  }

  /** Writes that follow a lost claim fail by themselves: this only keeps it from getting lost. */
  #keep(claimed: Claim): NodeJS.Timeout {
    const { database, claimSeconds, log } = this.#parts;
    const renew = () =>
      keepClaim(database, claimed, claimSeconds).catch((err) => log.warn({ err }, "a claim was not renewed"));
    return setInterval(renew, (claimSeconds * 1000) / 3);
  }

  async #bringToEnd(claimed: Claim): Promise<void> {
    const acquisition = await findAcquisition(this.#parts.database, claimed.id);
    if (!acquisition) throw new ClaimLost("it is not there any more");
    if (this.#parts.clock.now() > acquisition.requestEnd + CLOCK_SLACK) {
      const failed = await failuresOf(this.#parts.database, claimed.id);
      await this.#end(claimed, acquisition, outOfTime(failed));
      return;
    }
    try {
      await this.#gather(acquisition, claimed);
    } catch (error) {
      if (!isCallFailure(error) || isStoreDown(error)) throw error;
      await this.#end(claimed, acquisition, failureOf(error));
      return;
    }
    await this.#end(claimed, acquisition, undefined);
  }

  /** Throws what agents refused where that leaves nothing to be had. */
  async #gather(acquisition: StoredAcquisition, claimed: Claim): Promise<void> {
    const { database, clock } = this.#parts;
    const earlier = await asksOf(database, claimed.id);
    const book = new DurableBook(database, clock, claimed, earlier);
    const { terms, agents } = this.#termsOf(acquisition);
    await settle(earlier, terms, agents, book);
    const held = await heldTickets(database, claimed.id);
    const left = acquisition.wanted - held.length;
    if (left <= 0) return;
    const had = new Set(held.map(({ node }) => node));
    const asked = earlier.flatMap(({ nodes }) => nodes);
    await acquire(
      {
        ...terms,
        wanted: left,
        atleast: Math.max(1, acquisition.atleast - held.length),
        standby: held.length === 0 ? acquisition.standby : 0,
        ruledOut: ruledOut(acquisition, had),
        held: [...acquisition.held.map((node) => ({ node })), ...asked.filter(({ node }) => had.has(node))],
      },
      agents,
      book,
      clock.now(),
    ).catch((error) => {
      if (!isCallFailure(error) || held.length === 0) throw error;
    });
  }

  #termsOf({ request: text, principalKey }: StoredAcquisition): { terms: Terms; agents: TicketAgent[] } {
    const { request } = openRequest(text, publicKeyFromSpki(principalKey));
    const { description, principal } = request;
    if (!description.resources) throw new TypeError("a request was taken in without resources");
    const terms = { description, principal, resources: description.resources };
    return { terms, agents: this.#parts.agents.requesting(text, request.agents) };
  }

  /** Enough tickets are an end whatever went wrong besides; with fewer all of them go back. */
  async #end(claimed: Claim, { atleast }: StoredAcquisition, failure: Failure | undefined): Promise<void> {
    const { database, clock } = this.#parts;
    await database.transaction(async (tx) => {
      if (!(await lockClaimed(tx, claimed))) throw new ClaimLost("somebody else works at it now");
      const held = await countHeld(tx, claimed.id);
      const end = held >= atleast ? undefined : (failure ?? tooFewGranted(held, atleast));
      if (end) await giveUpTickets(tx, claimed.id);
      if (failure && !end)
        await addRefused(tx, claimed.id, [{ node: "", agent: "", reason: failure.sentence }]);
      await endAcquisition(tx, claimed.id, end, clock.now());
      await forgetFailures(tx, claimed.id);
      await tell(tx, claimed.id);
      this.counts[end ? "failed" : "done"] += 1;
    });
  }
}

/** Makes asks again of which nobody knows what came of them. */
async function settle(
  earlier: readonly StoredAsk[],
  terms: Terms,
  agents: readonly TicketAgent[],
  book: DurableBook,
): Promise<void> {
  await Promise.all(
    earlier
      .filter(({ state }) => state === "open")
      .map(async (ask) => {
        try {
          await makeAsk(ask, terms, agents, book);
        } catch (error) {
          if (!isCallFailure(error) || isStoreDown(error)) throw error;
          if (!isRefusal(error)) await book.doubtful(ask, error);
        }
      }),
  );
}

function ruledOut({ held, avoided }: StoredAcquisition, had: ReadonlySet<string>): Map<string, string> {
  return new Map([
    ...avoided.map((node) => [node, "is to be avoided"] as const),
    ...held.map((node) => [node, "has the slice"] as const),
    ...[...had].map((node) => [node, "has a ticket of the slice"] as const),
  ]);
}

/** Ours, not an agent's: an agent's STORE_DOWN reached us as an answer and says so by where it was thrown. */
function isStoreDown(error: CallFailure): boolean {
  return error instanceof Fault && error.name === "STORE_DOWN" && error.cause !== undefined;
}

/** A failure as its principal is told of it. What is no fault of ours has no number: it may pass. */
function failureOf(error: CallFailure): Failure {
  if (error instanceof Fault) return { fault: error.name, sentence: error.sentence };
  return { fault: "BACKEND_FAILED", sentence: `no agent could be asked: ${error.message}; ask again later` };
}

/** The request is over, so agents honour it no more. */
function outOfTime(failed: { readonly failures: number; readonly reason: string } | undefined): Failure {
  const why = failed
    ? `the broker failed ${failed.failures} times, last with: ${failed.reason}`
    : "nobody worked at it";
  return {
    fault: "EXPIRED",
    sentence: `the request was over before its tickets were got: ${why}; sign a new one, and tell whoever runs the broker`,
  };
}

function tooFewGranted(held: number, atleast: number): Failure {
  const sentence = `agents granted ${held} of the ${atleast} nodes needed, others having got the rest meanwhile; ask again, or for fewer nodes`;
  return { fault: "NO_CAPACITY", sentence };
}
