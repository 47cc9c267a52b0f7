import type { PublicKey } from "../identity/key.ts";
import { Fault, refuseUnless } from "../model/errors.ts";
import { checkNarrowing } from "../model/narrowing.ts";
import type { DocumentId, Holding, SliceTicket, Ticket } from "../model/ticket.ts";
import { CLOCK_SLACK, formatInstant, type Instant, type Term } from "../model/time.ts";
import { parseDocument, type SignedDocument, verifyLink } from "./document.ts";
import { readTicket, readTicketAndKey } from "./ticket-document.ts";

/** A ticket whose whole chain was verified, and its document. Only this file makes one. */
export type Link<T extends Ticket = Ticket> = {
  readonly id: DocumentId;
  readonly ticket: T;
  readonly document: SignedDocument;
  readonly [verified]: true;
};
declare const verified: unique symbol;

/** A verified chain: holdings from the node's root down, then what was presented. */
export type Chain<T extends Ticket> = {
  /** Above the leaf, the node's root first; a root's own chain has none. */
  readonly above: readonly Link<Holding>[];
  readonly leaf: Link<T>;
};

/** What the reader trusts a chain to start at. */
export type ChainAnchor = {
  /** The identity key of the node that signed the root. */
  readonly nodeKey: PublicKey;
  /** The node's own roots by identity, for tickets that leave theirs out. Only the node itself can answer. */
  readonly rootById?: (id: DocumentId) => string | undefined;
};

/** A chain on its way down: its last link, and the key that verifies what is split from that. */
type Descent = { readonly chain: Chain<Ticket>; readonly key?: PublicKey };

/** Verifies a slice ticket from its node's root down: signatures, hashes, narrowing, windows (WIRE.md §1). */
export function openSliceTicket(text: string, anchor: ChainAnchor, now: Instant): Chain<SliceTicket> {
  const chain = openSliceTicketAtAnyTime(text, anchor);
  checkTimes(chain, now);
  return chain;
}

/** The same but for the times, for whoever must first find out whether a call is a repeated one: then `checkTimes`. */
export function openSliceTicketAtAnyTime(text: string, anchor: ChainAnchor): Chain<SliceTicket> {
  const { above, leaf } = openTicket(text, anchor);
  refuseUnless(
    leaf.ticket.kind === "slice",
    "WRONG_TYPE",
    "a holding can be split, never redeemed; redeem a slice ticket split from it",
  );
  return { above, leaf: leaf as Link<SliceTicket> };
}

/** Verifies a holding from its node's root down. */
export function openHolding(text: string, anchor: ChainAnchor, now: Instant): Chain<Holding> {
  const chain = openTicket(text, anchor);
  const { leaf } = chain;
  refuseUnless(
    leaf.ticket.kind === "holding",
    "WRONG_TYPE",
    "this is a slice ticket, which cannot be held or split",
  );
  checkTimes(chain, now);
  return { above: chain.above, leaf: leaf as Link<Holding> };
}

/** Verifies a chain of either kind, whatever the time is: for cancelling and for keeping books. */
export function openTicket(text: string, anchor: ChainAnchor): Chain<Ticket> {
  const document = parseDocument(text);
  const [root, ...below] = withRoot(document, anchor);
  const { chain } = below.reduce(openBelow, openRoot(root!, anchor.nodeKey));
  refuseUnless(
    chain.leaf.ticket.kind === "slice" || chain.above.length === document.parents.length,
    "BAD_CHAIN",
    "a holding always carries its root; send it with every document above it",
  );
  return chain;
}

/**
 * Verifies a slice ticket by the key of the agent that issued it alone, for its principal, who trusts that agent's
 * key by its TLS connection. Only the node verifies the rest of the chain, when the ticket is redeemed.
 */
export function openIssuedTicket(
  text: string,
  issuers: readonly PublicKey[],
): Link<SliceTicket> & { readonly signer: PublicKey } {
  const document = parseDocument(text);
  const signer = issuers.find((key) => key.name === document.keyName);
  refuseUnless(
    signer,
    "UNKNOWN_KEY",
    "the ticket is signed by none of its agent's ticket keys; ask the agent for another",
  );
  const ticket = readTicket(verifyLink(document, signer));
  refuseUnless(
    ticket.kind === "slice",
    "WRONG_TYPE",
    "the agent answered with a holding, not a slice ticket",
  );
  return { ...linkOf(document, ticket), signer };
}

function linkOf<T extends Ticket>(document: SignedDocument, ticket: T): Link<T> {
  return { id: document.id, ticket, document } as Link<T>;
}

/** The chain's documents, root first; a root that was left out is taken from the node's own. */
function withRoot(document: SignedDocument, anchor: ChainAnchor): SignedDocument[] {
  const documents = [...document.parents, document];
  if (documents[0]!.keyName === anchor.nodeKey.name || !anchor.rootById) return documents;
  const parent = claimOf(documents[0]!, "parent_sha256");
  const root = parent && anchor.rootById(parent);
  return root ? [parseDocument(root), ...documents] : documents;
}

/**
 * What a document claims before its signature can be checked: needed to find the key that checks it. Used to look up
 * the node's own roots and to word a refusal, and for nothing else.
 */
function claimOf(document: SignedDocument, element: "parent_sha256" | "node_sha256"): string | undefined {
  const pattern = new RegExp(`<${element}>\\s*([0-9a-f]{64})\\s*</${element}>`);
  return pattern.exec(document.body.toString("latin1"))?.[1];
}

function openRoot(document: SignedDocument, nodeKey: PublicKey): Descent {
  if (document.keyName !== nodeKey.name) refuseForeignRoot(document, nodeKey);
  const { ticket: root, key } = readTicketAndKey(verifyLink(document, nodeKey));
  refuseUnless(root.node === nodeKey.name, "WRONG_NODE", "the ticket is for another node; redeem it there");
  refuseUnless(
    root.kind === "holding" && root.parent === undefined && root.issuer === nodeKey.name,
    "BAD_CHAIN",
    "the chain does not start at a root ticket of its node",
  );
  return { chain: { above: [], leaf: linkOf(document, root) }, key };
}

/** Only chooses the better sentence: the document is refused either way. */
function refuseForeignRoot(document: SignedDocument, nodeKey: PublicKey): never {
  const claimed = claimOf(document, "node_sha256");
  if (claimed && claimed !== nodeKey.name) {
    throw new Fault("WRONG_NODE", `the ticket is for node ${claimed.slice(0, 12)}…; redeem it there`);
  }
  throw new Fault("UNKNOWN_KEY", "no root ticket of this node stands at the start of the ticket's chain");
}

/** One step down a chain: the parent's key verifies the child, which may say no more than the parent does. */
function openBelow({ chain, key: parentKey }: Descent, document: SignedDocument): Descent {
  const parent = chain.leaf;
  const holding = parent.ticket;
  refuseUnless(
    holding.kind === "holding" && parentKey,
    "BAD_CHAIN",
    "a slice ticket was split, which it cannot be",
  );
  const { ticket: child, key } = readTicketAndKey(verifyLink(document, parentKey));
  refuseUnless(child.parent === parent.id, "BAD_CHAIN", "parent_sha256 is not the document above it");
  checkNarrowing(holding, child);
  const above = [...chain.above, parent as Link<Holding>];
  return { chain: { above, leaf: linkOf(document, child) }, key };
}

/**
 * Windows of the whole chain, with slack for clocks; and the leaf's own term, without: what is over is over. Throws
 * NOT_YET_VALID or EXPIRED.
 */
export function checkTimes({ above, leaf }: Chain<Ticket>, now: Instant): void {
  // The leaf first: its window is the narrowest, so its times are the ones to tell.
  for (const link of [leaf, ...above]) checkWindow(link.ticket.validity, now);
  refuseUnless(
    now < leaf.ticket.term.end,
    "EXPIRED",
    `the term of the ticket ended at ${formatInstant(leaf.ticket.term.end)} UTC; ask for a new one`,
  );
}

function checkWindow(window: Term, now: Instant): void {
  if (now < window.start - CLOCK_SLACK) {
    throw new Fault(
      "NOT_YET_VALID",
      `the ticket can be used from ${formatInstant(window.start)} UTC; wait until then`,
    );
  }
  if (now >= window.end + CLOCK_SLACK) {
    throw new Fault(
      "EXPIRED",
      `the ticket could be used until ${formatInstant(window.end)} UTC; ask for a new one`,
    );
  }
}
