import { type KeyName, publicKeyFromSpki } from "#shared/identity/key.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database } from "#shared/runtime/database.ts";
import { removeDurably } from "#shared/runtime/durable-file.ts";
import type { Log } from "#shared/runtime/log.ts";
import { withLineage } from "#shared/wire/document.ts";
import { MAX_STATED_TICKETS, openStatement } from "#shared/wire/statement-document.ts";
import { type AskNode, askNodes } from "../settlement/node-questions.ts";
import { writeAudit } from "../store/audit/audit.ts";
import {
  type HoldingsToClose,
  holdingsToClose,
  markHoldingsClosed,
  markKeyClosing,
  markKeyDropped,
  preferKey,
  type TicketKeyRecord,
  ticketKeyRecords,
} from "../store/ticket-keys.ts";
import type { TicketKeys } from "./ticket-keys.ts";

export type SuccessionParts = {
  readonly database: Database;
  readonly keys: TicketKeys;
  /** Where the key before the current one is. */
  readonly previousFile: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Has holdings closed. */
  readonly cancelAt: AskNode;
};

/**
 * Sees one ticket key out that another took over from. Nodes give the new key what the old one has, as the same account,
 * and from then on only that is split. When nothing stands on the old key any more, or somebody else may have it, its
 * holdings are closed at their nodes, so that even whoever has a copy can do nothing with it; and then it is forgotten.
 */
export class Succession {
  readonly #parts: SuccessionParts;

  constructor(parts: SuccessionParts) {
    this.#parts = parts;
  }

  async scan(signal?: AbortSignal): Promise<void> {
    const { database, keys, clock } = this.#parts;
    await keys.refresh();
    const [current, before] = keys.all;
    if (!current || !before) return;
    await preferKey(database, current.public.name, clock.now());
    const record = await this.#recordOf(before.public.name);
    if (!record || (record.closing === null && !isFree(record))) return;
    if (record.closing === null)
      await database.transaction((tx) => markKeyClosing(tx, record.name, clock.now()), { repeatable: true });
    await this.#close(record.name, signal);
    const after = await this.#recordOf(record.name);
    if (after && isFree(after) && after.holdings === 0) await this.#drop(after);
  }

  async #recordOf(name: KeyName): Promise<TicketKeyRecord | undefined> {
    const { database, keys, clock } = this.#parts;
    const records = await ticketKeyRecords(database, keys.current.public.name, clock.now());
    return records.find((record) => record.name === name);
  }

  async #close(key: KeyName, signal?: AbortSignal): Promise<void> {
    const { database, clock, log } = this.#parts;
    const nodes = await holdingsToClose(database, key, clock.now(), MAX_STATED_TICKETS);
    await askNodes(nodes, (node) => this.#closeAt(node, signal), { log, signal });
  }

  async #closeAt(node: HoldingsToClose, signal?: AbortSignal): Promise<void> {
    const { database, clock, cancelAt } = this.#parts;
    const text = await cancelAt(node, node.lineages.map(withLineage), signal);
    const { tickets } = openStatement(text, publicKeyFromSpki(node.publicKey));
    const closed = tickets.filter(({ state }) => state === "cancelled").map(({ id }) => id);
    await markHoldingsClosed(database, node.node, closed, clock.now());
  }

  /** The books say first that it is forgotten: a file that is left of it is removed the next time. */
  async #drop({ name }: TicketKeyRecord): Promise<void> {
    const { database, keys, previousFile, clock, log } = this.#parts;
    await database.transaction(
      async (tx) => {
        if (!(await markKeyDropped(tx, name, clock.now()))) return;
        const detail = { key: name };
        const at = clock.milliseconds();
        await writeAudit(tx, { at, who: "operator", method: "drop ticket key", outcome: "ok", detail });
      },
      { repeatable: true },
    );
    await removeDurably(previousFile);
    await keys.refresh();
    log.info({ key: name }, "nothing stands on the earlier ticket key any more; it is forgotten");
  }
}

/** Nothing needs its signature, and it holds nothing that the current key does not hold, too. */
function isFree({ unfollowed, tickets, grants, answers }: TicketKeyRecord): boolean {
  return unfollowed + tickets + grants + answers === 0;
}
