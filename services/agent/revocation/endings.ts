import type { Peer } from "#shared/identity/tls.ts";
import { refuseUnless } from "#shared/model/errors.ts";
import { isNews } from "#shared/model/revocation.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database, Tx } from "#shared/runtime/database.ts";
import { openRevocations } from "#shared/wire/revocation-document.ts";
import { writeAudit } from "../store/audit/audit.ts";
import { lockNodeList, markWithdrawn, saveNodeList } from "../store/endings.ts";
import { hearNode } from "../store/registry/nodes.ts";

export type EndingsDesk = { readonly database: Database; readonly clock: Clock };

/** What a node says that its owner ended, and the tickets that these leases were made with. */
export type NodesEndings = {
  readonly list: string;
  readonly leases: readonly { readonly lease: string; readonly ticket: DocumentId }[];
};

/**
 * Keeps what a node's own list names, so that this agent can say why leases ended before their time. Nothing is freed by
 * it: that is settled as ever. Throws what `openRevocations` and `isNews` throw, NOT_PRINCIPAL for anybody but a node, and
 * MALFORMED for a lease that the list does not name.
 */
export async function takeEndings(
  { database, clock }: EndingsDesk,
  node: Peer,
  { list: document, leases }: NodesEndings,
): Promise<void> {
  const { id, list } = openRevocations(document, node.key, "node");
  const since = new Map(list.revoked.map((revoked) => [revoked.id, revoked.since]));
  const withdrawn = leases.map(({ lease, ticket }) => {
    const at = since.get(lease);
    refuseUnless(at !== undefined, "MALFORMED", `the list does not name the lease ${lease}; leave it out`);
    return { ticket, since: at! };
  });

  async function take(tx: Tx): Promise<void> {
    const now = clock.now();
    refuseUnless(
      await hearNode(tx, node.name, now),
      "NOT_PRINCIPAL",
      "this agent knows no such node; have its administrator accept it",
    );
    const held = await lockNodeList(tx, node.name);
    if (isNews(held, { id, number: list.number }))
      await saveNodeList(tx, { node: node.name, id, number: list.number, document }, now);
    const news = await markWithdrawn(tx, node.name, withdrawn);
    if (news === 0) return;
    const at = clock.milliseconds();
    const detail = { number: list.number, withdrawn: news };
    await writeAudit(tx, { at, who: node.name, method: "postendings", outcome: "ok", detail });
  }
  await database.transaction(take, { repeatable: true });
}
