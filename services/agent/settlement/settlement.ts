import type { KeyName } from "#shared/identity/key.ts";
import { refuseUnless } from "#shared/model/errors.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database, Tx } from "#shared/runtime/database.ts";
import type { StatedTicket } from "#shared/wire/statement-document.ts";
import { writeAudit } from "../store/audit/audit.ts";
import { type KnownTicket, lockTickets, markSettled, type SettledState } from "../store/issuing/tickets.ts";
import { hearNode } from "../store/registry/nodes.ts";
import { closeLinesOf } from "./closing.ts";

/** What a node says of tickets, each state with the ids it is true of. */
export type NodesWord = Readonly<Partial<Record<SettledState, readonly DocumentId[]>>>;

/**
 * Books what a node says became of tickets (WIRE.md §1, "Who frees"). In any order, late and repeated, the outcome is
 * the same: `redeemed` counts on, and whatever is over stays over.
 */
export class Settlement {
  readonly #database: Database;
  readonly #clock: Clock;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /** `record` is called in the transaction, for what has to be kept with it. Ids that were never issued are ignored. */
  async settle(node: KeyName, word: NodesWord, record?: (tx: Tx) => Promise<void>): Promise<void> {
    const said = strongestOf(word);
    await this.#database.transaction(
      async (tx) => {
        const known = said.size > 0 ? await lockTickets(tx, [...said.keys()]) : [];
        refuseUnless(
          known.every((ticket) => ticket.node === node),
          "NOT_PRINCIPAL",
          "one of these tickets is for another node; a node settles its own tickets only",
        );
        refuseUnless(
          await hearNode(tx, node, this.#clock.now()),
          "NOT_PRINCIPAL",
          "this agent knows no such node; have its administrator accept it",
        );
        await this.#book(tx, node, changesOf(known, said));
        await closeLinesOf(tx, node, word.cancelled ?? []);
        await record?.(tx);
      },
      { repeatable: record === undefined },
    );
  }

  /** What a node stated, signed, when it was asked. */
  async settleStated(node: KeyName, stated: readonly StatedTicket[]): Promise<void> {
    const ids = (state: StatedTicket["state"]) => stated.filter((t) => t.state === state).map((t) => t.id);
    await this.settle(node, {
      redeemed: ids("leased"),
      unredeemed: ids("unredeemed"),
      cancelled: ids("cancelled"),
      ended: ids("ended"),
    });
  }

  async #book(tx: Tx, node: KeyName, changes: ReadonlyMap<DocumentId, SettledState>): Promise<void> {
    if (changes.size === 0) return;
    await markSettled(tx, changes, this.#clock.now());
    const detail = Object.fromEntries(
      [...Map.groupBy(changes, ([, state]) => state)].map(([s, all]) => [s, all.length]),
    );
    await writeAudit(tx, {
      at: this.#clock.milliseconds(),
      who: node,
      method: "settletickets",
      outcome: "ok",
      detail,
    });
  }
}

/** One state a ticket: said to be redeemed and to be over, it is over. */
function strongestOf(word: NodesWord): Map<DocumentId, SettledState> {
  const states: SettledState[] = ["redeemed", "unredeemed", "cancelled", "ended"];
  return new Map(states.flatMap((state) => (word[state] ?? []).map((id) => [id, state] as const)));
}

/** What is news: an issued ticket becomes anything, a redeemed one only what is over, and what is over stays. */
function changesOf(
  known: readonly KnownTicket[],
  said: ReadonlyMap<DocumentId, SettledState>,
): Map<DocumentId, SettledState> {
  const news = known.filter(({ id, state }) => isNews(state, said.get(id)!));
  return new Map(news.map(({ id }) => [id, said.get(id)!]));
}

function isNews(state: KnownTicket["state"], said: SettledState): boolean {
  switch (state) {
    case "issued":
      return true;
    case "redeemed":
      return said !== "redeemed";
    case "ended":
    case "unredeemed":
    case "cancelled":
      return false;
    default:
      return state satisfies never;
  }
}
