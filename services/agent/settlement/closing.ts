import { type KeyName, publicKeyFromSpki } from "#shared/identity/key.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import { CLOCK_SLACK } from "#shared/model/time.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { ClockWatch } from "#shared/runtime/clock-watch.ts";
import type { Database, Tx } from "#shared/runtime/database.ts";
import type { Log } from "#shared/runtime/log.ts";
import { MAX_STATED_TICKETS, openStatement } from "#shared/wire/statement-document.ts";
import { sealAll } from "../signing/seal.ts";
import type { TicketKeys } from "../signing/ticket-keys.ts";
import {
  closingGrants,
  lapseGrants,
  linesOf,
  markClosed,
  markClosing,
} from "../store/holdings/closing-grants.ts";
import { lockAccountsOf, unsealedGrants } from "../store/holdings/grants.ts";
import type { Doubt } from "../store/issuing/tickets.ts";
import { type AskNode, askNodes } from "./node-questions.ts";

export type ClosingParts = {
  readonly database: Database;
  readonly keys: TicketKeys;
  readonly clock: Clock;
  readonly watch: ClockWatch;
  readonly log: Log;
  /** Has holdings closed. */
  readonly cancelAt: AskNode;
};

/**
 * Takes back what was handed on. Only its node can say that nothing is used beneath a grant any more, so each that is
 * to be closed is put to its node, by a timed scan, until that has said so.
 */
export class Closing {
  readonly #parts: ClosingParts;

  constructor(parts: ClosingParts) {
    this.#parts = parts;
  }

  async scan(signal?: AbortSignal): Promise<void> {
    const { database, clock, watch, log } = this.#parts;
    // A clock that may be wrong says nothing about whose time is over.
    const before = clock.now() - CLOCK_SLACK;
    if (watch.sure()) await database.transaction((tx) => lapseGrants(tx, before), { repeatable: true });
    const closing = await closingGrants(database, MAX_STATED_TICKETS);
    await askNodes(closing, (node) => this.#ask(node, signal), { log, signal });
  }

  async #ask(node: Doubt, signal?: AbortSignal): Promise<void> {
    const { database, keys, cancelAt } = this.#parts;
    const grants = await sealAll(keys, await unsealedGrants(database, node.tickets));
    const text = await cancelAt(node, grants, signal);
    const statement = openStatement(text, publicKeyFromSpki(node.publicKey));
    await database.transaction(
      async (tx) => {
        await lockAccountsOf(tx, node.node);
        for (const { id, state, beneath } of statement.tickets) {
          if (state === "cancelled" && beneath) await markClosed(tx, node.node, id, beneath.count);
        }
      },
      { repeatable: true },
    );
  }
}

/** A node says that holdings were closed there, perhaps by whoever had them: theirs are grants to be closed here, too. */
export async function closeLinesOf(tx: Tx, node: KeyName, cancelled: readonly DocumentId[]): Promise<void> {
  const lines = await linesOf(tx, node, cancelled);
  for (const line of lines) await markClosing(tx, line);
}
