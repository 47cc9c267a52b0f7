import { publicKeyFromSpki } from "#shared/identity/key.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database } from "#shared/runtime/database.ts";
import type { Log } from "#shared/runtime/log.ts";
import { withLineage } from "#shared/wire/document.ts";
import { MAX_STATED_TICKETS, openStatement } from "#shared/wire/statement-document.ts";
import { sealAll } from "../signing/seal.ts";
import type { TicketKeys } from "../signing/ticket-keys.ts";
import { stopSplitting, type Unreported, unreported } from "../store/holdings/gathered.ts";
import { ticketsOf } from "../store/issuing/tickets.ts";
import { type AskNode, askNodes } from "./node-questions.ts";
import type { Settlement } from "./settlement.ts";

export type InquiryParts = {
  readonly database: Database;
  readonly keys: TicketKeys;
  readonly settlement: Settlement;
  readonly clock: Clock;
  readonly log: Log;
  /** Has a node say how tickets stand, and change nothing. */
  readonly stateAt: AskNode;
};

/**
 * Finds out what became of tickets beneath holdings of other agents, and of these holdings. Their nodes report to the
 * agents of their own configuration alone, so they are asked, by a timed scan, and answer under signature: this agent,
 * too, frees on its node's word and on nobody else's.
 */
export class Inquiry {
  readonly #parts: InquiryParts;

  constructor(parts: InquiryParts) {
    this.#parts = parts;
  }

  async scan(signal?: AbortSignal): Promise<void> {
    const { database, clock, log } = this.#parts;
    const nodes = await unreported(database, clock.now());
    await askNodes(nodes, (node) => this.#ask(node, signal), { log, signal });
  }

  async #ask(node: Unreported, signal?: AbortSignal): Promise<void> {
    const { database, keys } = this.#parts;
    const holdings = node.holdings.map(withLineage);
    for (const documents of statementfuls(holdings)) await this.#book(node, documents, signal);
    for (const ids of statementfuls(node.tickets)) {
      await this.#book(node, await sealAll(keys, await ticketsOf(database, ids)), signal);
    }
  }

  async #book(node: Unreported, documents: readonly string[], signal?: AbortSignal): Promise<void> {
    const { database, clock, settlement, stateAt } = this.#parts;
    const text = await stateAt(node, documents, signal);
    const { tickets } = openStatement(text, publicKeyFromSpki(node.publicKey));
    await settlement.settleStated(node.node, tickets);
    const cancelled = tickets.filter(({ state }) => state === "cancelled").map(({ id }) => id);
    await stopSplitting(database, node.node, cancelled, clock.now());
  }
}

/** As many at a time as one statement speaks of. */
function statementfuls<T>(all: readonly T[]): T[][] {
  const count = Math.ceil(all.length / MAX_STATED_TICKETS);
  return Array.from({ length: count }, (_, at) =>
    all.slice(at * MAX_STATED_TICKETS, (at + 1) * MAX_STATED_TICKETS),
  );
}
