import { publicKeyFromSpki } from "#shared/identity/key.ts";
import { CLOCK_SLACK } from "#shared/model/time.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database } from "#shared/runtime/database.ts";
import type { Log } from "#shared/runtime/log.ts";
import { openRequest } from "#shared/wire/request-document.ts";
import { isCallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import { isRefusal, makeAsk } from "../acquisition/ask.ts";
import { endAcquisition, findAcquisition, forget, tell, untold } from "../store/acquisitions.ts";
import { type StoredAsk, settleAsk, unsettledAsks } from "../store/asks.ts";
import { forgetFailures, isDue, noteFailure, pruneFailures, type Waits } from "../store/retries.ts";
import { giveUpTickets, insertTickets, markReleased, unwantedTickets } from "../store/tickets.ts";
import type { KnownAgents } from "./known-agents.ts";

type Parts = {
  readonly database: Database;
  readonly agents: KnownAgents;
  readonly clock: Clock;
  readonly log: Log;
  /** How long tickets wait for a principal that has not heard of them, in seconds. */
  readonly unfetchedSeconds: number;
  /** Between tries of what failed. */
  readonly waits: Waits;
};

/** How much one round takes on; the next one goes on. */
const AT_ONCE = 50;
/** An agent that did not take tickets back is remembered for so long, in seconds, unless it fails again. */
const DAY = 86_400;

/** Sees to it that nothing stays taken for nobody: what is over and not fetched, not known, or not wanted. */
export class Clearing {
  readonly #parts: Parts;
  /** Tickets given back to their agents. */
  readonly counts = { released: 0 };

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Everything, each part whether or not another fails. Two brokers may do it at once. */
  async round(): Promise<void> {
    const given = await Promise.allSettled([this.#giveUpUnfetched(), this.#settleDoubtful()]);
    const gone = await Promise.allSettled([this.#release(), this.#forget()]);
    for (const outcome of [...given, ...gone]) if (outcome.status === "rejected") throw outcome.reason;
  }

  async #giveUpUnfetched(): Promise<void> {
    const { database, clock, unfetchedSeconds } = this.#parts;
    const now = clock.now();
    const end = {
      fault: "EXPIRED",
      sentence: `nobody asked for the tickets within ${unfetchedSeconds} s, so they were given back; sign a new request`,
    } as const;
    await database.transaction(async (tx) => {
      for (const id of await untold(tx, now - unfetchedSeconds, AT_ONCE)) {
        await giveUpTickets(tx, id);
        await endAcquisition(tx, id, end, now);
        await tell(tx, id);
      }
    });
  }

  /** Asks again what an acquisition went on without: tickets that come of it now are nobody's, and go back. */
  async #settleDoubtful(): Promise<void> {
    const asks = await unsettledAsks(this.#parts.database, AT_ONCE);
    await Promise.all(asks.map((ask) => this.#settle(ask)));
  }

  async #settle(ask: StoredAsk): Promise<void> {
    const { database, agents, clock, log, waits } = this.#parts;
    const acquisition = await findAcquisition(database, ask.acquisition);
    if (!acquisition) return;
    const { request } = openRequest(acquisition.request, publicKeyFromSpki(acquisition.principalKey));
    const { description, principal, agents: named } = request;
    if (!description.resources) throw new TypeError("a request was taken in without resources");
    const book = {
      open: async () => [],
      granted: (_: unknown, tickets: Parameters<typeof insertTickets>[3]) =>
        database.transaction(async (tx) => {
          await insertTickets(tx, ask.acquisition, ask, tickets, false);
          await settleAsk(tx, ask, "granted");
        }),
      refused: async () => void (await settleAsk(database, ask, "refused")),
    };
    try {
      await makeAsk(
        ask,
        { description, principal, resources: description.resources },
        agents.requesting(acquisition.request, named),
        book,
      );
    } catch (error) {
      if (!isCallFailure(error)) throw error;
      if (isRefusal(error)) return;
      const over = acquisition.requestEnd + CLOCK_SLACK;
      // The agent honours the request no more, and what it may have granted ends by itself.
      if (clock.now() > over) await settleAsk(database, ask, "refused");
      else await noteFailure(database, ask.requestId, error.message, waits, over);
      log.debug({ agent: ask.agent, err: error }, "what became of an ask is still not known");
    }
  }

  async #release(): Promise<void> {
    await Promise.all(this.#parts.agents.addresses.map(({ identity }) => this.#releaseAt(identity)));
  }

  async #releaseAt(agent: string): Promise<void> {
    const { database, agents, clock, log, waits } = this.#parts;
    const now = clock.now();
    const tickets = await unwantedTickets(database, agent, now, AT_ONCE);
    if (tickets.length === 0 || !(await isDue(database, agent))) return;
    try {
      const released = await agents.release(
        agent,
        tickets.map(({ document }) => document),
      );
      await markReleased(
        database,
        released.map(({ ticket }) => ticket),
      );
      this.counts.released += released.length;
      await forgetFailures(database, agent);
    } catch (error) {
      if (!isCallFailure(error)) throw error;
      await noteFailure(database, agent, error.message, waits, now + DAY);
      log.debug({ agent, err: error }, "an agent did not take tickets back; it is asked again");
    }
  }

  async #forget(): Promise<void> {
    const before = this.#parts.clock.now() - CLOCK_SLACK;
    await forget(this.#parts.database, before);
    await pruneFailures(this.#parts.database, before);
  }
}
