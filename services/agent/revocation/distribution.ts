import pLimit from "p-limit";
import { Fault } from "#shared/model/errors.ts";
import type { Database } from "#shared/runtime/database.ts";
import type { Log } from "#shared/runtime/log.ts";
import type { HeldList } from "#shared/wire/revocation-document.ts";
import { isCallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import { markDelivered, type Undelivered, undelivered } from "../store/revocations.ts";
import type { Revocations } from "./revocations.ts";

/** Hands a list to a node. */
export type TellNode = (node: Undelivered, list: string, signal?: AbortSignal) => Promise<unknown>;

export type DistributionParts = {
  readonly database: Database;
  readonly revocations: Revocations;
  readonly tell: TellNode;
  readonly log: Log;
};

/**
 * Nodes that are told at the same time. They are told in the order in which they were heard, so it takes more than this
 * many that died within the last moments to keep a living one waiting.
 */
const AT_ONCE = 64;

/** Gives every node the latest lists, all nodes beside each other, until each has said that it has them. */
export class Distribution {
  readonly #parts: DistributionParts;

  constructor(parts: DistributionParts) {
    this.#parts = parts;
  }

  /** Tells every node that lacks something. One that does not answer is told the next time, or asks by itself. */
  async scan(signal?: AbortSignal): Promise<void> {
    const { database, revocations } = this.#parts;
    const lists = new Map(revocations.all.map((list) => [list.key.name, list]));
    const limit = pLimit(AT_ONCE);
    const lacking = await undelivered(database, [...lists.keys()]);
    await Promise.all(lacking.map((node) => limit(() => this.#tell(node, lists.get(node.signer)!, signal))));
  }

  async #tell(node: Undelivered, { list, document }: HeldList, signal?: AbortSignal): Promise<void> {
    const { database, tell, log } = this.#parts;
    if (signal?.aborted) return;
    try {
      await tell(node, document, signal);
    } catch (error) {
      if (!isCallFailure(error)) throw error;
      if (signal?.aborted) return;
      const hasLater = error instanceof Fault && error.name === "EXPIRED";
      // A node that this agent holds through another one may know nothing of it yet.
      const level = error instanceof Fault && error.name === "UNKNOWN_KEY" ? "debug" : "warn";
      if (!hasLater) {
        log[level]({ node: node.node, reason: error.message }, "a node was not told what is revoked");
        return;
      }
    }
    await markDelivered(database, node, list.number);
  }
}
