import { type KeyName, publicKeyFromSpki } from "#shared/identity/key.ts";
import { refuseUnless } from "#shared/model/errors.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import { CLOCK_SLACK } from "#shared/model/time.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { ClockWatch } from "#shared/runtime/clock-watch.ts";
import type { Database, Tx } from "#shared/runtime/database.ts";
import type { Log } from "#shared/runtime/log.ts";
import { parseDocument, verifyLink } from "#shared/wire/document.ts";
import { MAX_STATED_TICKETS, openStatement } from "#shared/wire/statement-document.ts";
import { inBatches, sealAll } from "../signing/seal.ts";
import type { TicketKeys } from "../signing/ticket-keys.ts";
import { writeAudit } from "../store/audit/audit.ts";
import { requestedBy } from "../store/issuing/requests.ts";
import {
  type Doubt,
  doubtfulTickets,
  type KnownTicket,
  lapseTickets,
  lockTickets,
  markReleased,
  ticketsOf,
} from "../store/issuing/tickets.ts";
import { type AskNode, askNodes } from "./node-questions.ts";
import type { Settlement } from "./settlement.ts";

/** How a released ticket stands: freed, still to be freed by its node's word, or used, so that only its lease can end. */
export type Released = { readonly ticket: DocumentId; readonly state: "released" | "freed" | "redeemed" };

export type ReleaseParts = {
  readonly database: Database;
  readonly keys: TicketKeys;
  readonly settlement: Settlement;
  readonly clock: Clock;
  readonly watch: ClockWatch;
  /** Has tickets cancelled. */
  readonly cancelAt: AskNode;
  readonly log: Log;
};

/**
 * Takes tickets back. Only a node knows whether one was redeemed, so each is put to its node until that has said what
 * became of it: at once when a principal gives it back, and by a timed scan, which also puts those that nobody can
 * redeem any more and that were not reported.
 */
export class Release {
  readonly #parts: ReleaseParts;

  constructor(parts: ReleaseParts) {
    this.#parts = parts;
  }

  /**
   * Marks tickets as given back by their principal, or by the broker that asked for them, all or none. `record` is called with the answer, in the
   * transaction. Their nodes are asked by `reconcile`.
   */
  async release(
    caller: KeyName,
    documents: readonly string[],
    record?: (tx: Tx, released: readonly Released[]) => Promise<void>,
  ): Promise<readonly Released[]> {
    const { database, clock } = this.#parts;
    const ids = await this.#verified(documents);
    return await database.transaction(
      async (tx) => {
        const tickets = new Map((await lockTickets(tx, ids)).map((ticket) => [ticket.id, ticket]));
        const foreign = ids.filter((id) => tickets.get(id)?.principal !== caller);
        const requested = foreign.length > 0 ? await requestedBy(tx, caller, foreign) : new Set();
        refuseUnless(
          foreign.every((id) => requested.has(id)),
          "NOT_PRINCIPAL",
          "only the principal a ticket names, or the broker that asked for it, can give it back",
        );
        const released = ids.map((id) => ({ ticket: id, state: releasedState(tickets.get(id)!) }));
        await markReleased(tx, ids, clock.now());
        const detail = { tickets: ids.length };
        const at = clock.milliseconds();
        await writeAudit(tx, { at, who: caller, method: "releasetickets", outcome: "ok", detail });
        await record?.(tx, released);
        return released;
      },
      { repeatable: true },
    );
  }

  /** The ids of documents that this agent signed, each once. */
  async #verified(documents: readonly string[]): Promise<DocumentId[]> {
    const ids = await inBatches(documents, (text) => {
      const document = parseDocument(text);
      const key = this.#parts.keys.all.find((k) => k.public.name === document.keyName);
      refuseUnless(
        key,
        "UNKNOWN_KEY",
        "this agent did not issue the ticket; give it back to the one that did",
      );
      return verifyLink(document, key.public).id; // a ticket, with whatever stands above it
    });
    return [...new Set(ids)];
  }

  /** Closes what ended by time, and puts what is doubtful to its node. */
  async scan(signal?: AbortSignal): Promise<void> {
    const { database, clock, watch } = this.#parts;
    const now = clock.now();
    if (watch.sure()) await lapseTickets(database, now - CLOCK_SLACK, now);
    await this.reconcile(undefined, signal);
  }

  /** Puts every doubtful ticket to its node, or only some. A node that does not answer is asked the next time. */
  async reconcile(only?: readonly DocumentId[], signal?: AbortSignal): Promise<void> {
    const { database, clock, watch, log } = this.#parts;
    // A clock that may be wrong says nothing about whose time is over; what was given back is given back.
    const overdueBefore = watch.sure() ? clock.now() - CLOCK_SLACK : 0;
    const doubts = await doubtfulTickets(database, overdueBefore, MAX_STATED_TICKETS, only);
    await askNodes(doubts, (doubt) => this.#ask(doubt, signal), { log, signal });
  }

  async #ask(doubt: Doubt, signal?: AbortSignal): Promise<void> {
    const { database, keys, settlement, cancelAt } = this.#parts;
    const tickets = await sealAll(keys, await ticketsOf(database, doubt.tickets));
    const text = await cancelAt(doubt, tickets, signal);
    const statement = openStatement(text, publicKeyFromSpki(doubt.publicKey));
    await settlement.settleStated(doubt.node, statement.tickets);
  }
}

function releasedState({ state }: KnownTicket): Released["state"] {
  switch (state) {
    case "issued":
      return "released";
    case "redeemed":
      return "redeemed";
    case "ended":
    case "unredeemed":
    case "cancelled":
      return "freed";
    default:
      return state satisfies never;
  }
}
