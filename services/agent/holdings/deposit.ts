import { type KeyName, publicKeyFromSpki } from "#shared/identity/key.ts";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import type { Holding } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database, Tx } from "#shared/runtime/database.ts";
import { type Chain, type Link, openHolding } from "#shared/wire/chain.ts";
import { parseDocument } from "#shared/wire/document.ts";
import type { TicketKeys } from "../signing/ticket-keys.ts";
import { writeAudit } from "../store/audit/audit.ts";
import {
  countHoldings,
  insertHolding,
  type KnownHolding,
  lockNodes,
  mergeAccounts,
  openAccount,
  relatedHoldings,
} from "../store/holdings/holdings.ts";
import {
  type AcceptedNode,
  acceptedNodes,
  hearNode,
  type NodeFacts,
  saveFacts,
} from "../store/registry/nodes.ts";
import { principalNamed } from "../store/registry/principals.ts";

/** A call of deposittickets. */
export type Deposit = { readonly tickets: readonly string[]; readonly facts?: NodeFacts };

/**
 * More holdings of one node that have not ended than any honest node has: one root, renewed at half its term. As many again
 * may be split from its roots by others, who so keep no root of the node away.
 */
const MAX_HOLDINGS_OF_NODE = 64;

/** Takes holdings into the books (WIRE.md §2, `deposittickets`). What is there already changes nothing. */
export class Deposits {
  readonly #database: Database;
  readonly #keys: TicketKeys;
  readonly #clock: Clock;
  /** The key this agent makes calls with. */
  readonly #identity: KeyName;

  constructor(database: Database, keys: TicketKeys, clock: Clock, identity: KeyName) {
    this.#database = database;
    this.#keys = keys;
    this.#clock = clock;
    this.#identity = identity;
  }

  /** `record` is called in the transaction, for what has to be kept with it. */
  async deposit(
    depositor: KeyName,
    { tickets, facts }: Deposit,
    record?: (tx: Tx) => Promise<void>,
  ): Promise<void> {
    const now = this.#clock.now();
    await this.#checkDepositor(depositor);
    const opened = await this.#open(depositor, tickets, now);
    await this.#database.transaction(
      async (tx) => {
        const isNode = await hearNode(tx, depositor, now);
        refuseUnless(
          isNode || !facts,
          "NOT_PRINCIPAL",
          "facts are what a node says of itself; leave them out",
        );
        const changed = facts !== undefined && (await saveFacts(tx, depositor, facts));
        const taken = await this.#take(tx, opened, now);
        if (changed || taken.length > 0) await this.#audit(tx, depositor, changed, taken);
        await record?.(tx);
      },
      { repeatable: record === undefined },
    );
  }

  async #checkDepositor(depositor: KeyName): Promise<void> {
    const principal = await principalNamed(this.#database, depositor);
    refuseUnless(
      principal,
      "NOT_PRINCIPAL",
      "this agent does not know your key; have its administrator accept you",
    );
    refuseUnless(!principal.suspended, "SUSPENDED", "the agent's administrator has suspended you; ask why");
  }

  async #open(depositor: KeyName, texts: readonly string[], now: Instant): Promise<Link<Holding>[]> {
    const documents = texts.map((text) => parseDocument(text));
    const roots = documents.map((document) => (document.parents[0] ?? document).keyName);
    const nodes = new Map((await acceptedNodes(this.#database, roots)).map((node) => [node.node, node]));
    const chains = texts.map((text, at) => {
      const node = nodes.get(roots[at]!);
      refuseUnless(
        node && !node.suspended,
        "UNKNOWN_KEY",
        "the holding does not start at a node this agent's administrator has accepted",
      );
      return { node, chain: openHolding(text, { nodeKey: publicKeyFromSpki(node.publicKey) }, now) };
    });
    // Another process of this agent may have told a key that this one has not seen yet.
    if (!chains.every(({ chain }) => this.#keys.has(chain.leaf.ticket.principal))) await this.#keys.refresh();
    for (const { chain, node } of chains) this.#check(chain, node, depositor);
    return chains.map(({ chain }) => chain.leaf);
  }

  #check({ above, leaf: { ticket } }: Chain<Holding>, node: AcceptedNode, depositor: KeyName): void {
    refuseUnless(
      ticket.ip === node.ip,
      "WRONG_NODE",
      `the holding says its node is at ${ticket.ip}; it is registered at ${node.ip}: correct one of them`,
    );
    refuseUnless(
      this.#keys.has(ticket.principal),
      "NOT_PRINCIPAL",
      "the holding is not for a ticket key of this agent; getconfig shows the key to give it to",
    );
    refuseUnless(
      ticket.holder === undefined || ticket.holder === this.#identity,
      "NOT_PRINCIPAL",
      "the holding names another agent as its holder; getconfig shows the identity to name",
    );
    refuseUnless(
      above.length > 0 || depositor === node.node,
      "NOT_PRINCIPAL",
      "a root ticket is deposited by its own node and nobody else",
    );
  }

  /** Those that are new, each in the account it belongs to. */
  async #take(tx: Tx, opened: readonly Link<Holding>[], now: Instant): Promise<Link<Holding>[]> {
    const nodes = [...new Set(opened.map((link) => link.ticket.node))];
    if (nodes.length > 0) await lockNodes(tx, nodes);
    const taken: Link<Holding>[] = [];
    for (const link of opened) {
      const related = await relatedHoldings(tx, link);
      const known = related.find(({ id }) => id === link.id);
      if (known) await rejoin(tx, known, link, related);
      if (known) continue;
      const which = link.ticket.parent === undefined ? "roots" : "split";
      const live = await countHoldings(tx, link.ticket.node, which, now);
      refuseUnless(
        live < MAX_HOLDINGS_OF_NODE,
        "QUOTA",
        `this agent holds ${live} tickets of the node that have not ended; wait until some have`,
      );
      await insertHolding(tx, link, await accountFor(tx, link, related), now);
      taken.push(link);
    }
    return taken;
  }

  async #audit(tx: Tx, depositor: KeyName, facts: boolean, taken: readonly Link<Holding>[]): Promise<void> {
    await writeAudit(tx, {
      at: this.#clock.milliseconds(),
      who: depositor,
      method: "deposittickets",
      outcome: "ok",
      detail: { holdings: taken.map(({ id }) => id), facts },
    });
  }
}

/**
 * A holding and what it replaces share one account (WIRE.md §1, "Accounts"), and so do all roots of a node to this agent,
 * as they do at the node: neither a further key nor a root that was signed while this agent missed the one before, or its
 * node had lost it, is a second share. They may come in any order, so one that comes late may connect accounts that were
 * opened for others.
 */
async function accountFor(tx: Tx, link: Link<Holding>, related: readonly KnownHolding[]): Promise<number> {
  const replaced = related.find((other) => other.id === link.ticket.replaces);
  if (replaced && !isSame(replaced, link.ticket)) {
    throw new Fault("BAD_CHAIN", "a holding replaces only one of the same issuer, principal and node");
  }
  const connected = related.filter((other) => other === replaced || connects(other, link));
  const [account, ...others] = new Set(connected.map((other) => other.account));
  if (account === undefined) return await openAccount(tx, link.ticket.node);
  if (others.length > 0) await mergeAccounts(tx, account, others);
  return account;
}

/** Accounts that were opened apart although they are one come together when what connects them is deposited again. */
async function rejoin(
  tx: Tx,
  known: KnownHolding,
  link: Link<Holding>,
  related: readonly KnownHolding[],
): Promise<void> {
  const accounts = related.filter((other) => connects(other, link)).map(({ account }) => account);
  const others = [...new Set(accounts)].filter((account) => account !== known.account);
  if (others.length > 0) await mergeAccounts(tx, known.account, others);
}

function isSame(a: Parties, b: Parties): boolean {
  return a.issuer === b.issuer && a.principal === b.principal && a.node === b.node;
}

type Parties = Pick<Holding, "issuer" | "principal" | "node">;

function connects(other: KnownHolding, { id, ticket }: Link<Holding>): boolean {
  if (other.replaces === id) return isSame(other, ticket);
  if (other.replaces !== null && other.replaces === ticket.replaces) return isSame(other, ticket);
  return ticket.parent === undefined && other.issuer === ticket.node && other.node === ticket.node;
}
