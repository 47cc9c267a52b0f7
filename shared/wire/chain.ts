import { type PublicKey, publicKeyFromSpki } from "../identity/key.ts";
import { Fault, refuseUnless } from "../model/errors.ts";
import { checkNarrowing } from "../model/narrowing.ts";
import type { DocumentId, Holding, SliceTicket, Ticket } from "../model/ticket.ts";
import { CLOCK_SLACK, formatInstant, type Instant, type Term } from "../model/time.ts";
import { parseDocument, type SignedDocument, verifyDocument } from "./document.ts";
import { readTicket } from "./ticket-document.ts";

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

/** Verifies a slice ticket from its node's root down: signatures, hashes, narrowing, windows (WIRE.md §1). */
export function openSliceTicket(text: string, anchor: ChainAnchor, now: Instant): Chain<SliceTicket> {
  const chain = openChain(parseDocument(text), anchor);
  const { leaf } = chain;
  refuseUnless(
    leaf.ticket.kind === "slice",
    "WRONG_TYPE",
    "a holding can be split, never redeemed; redeem a slice ticket split from it",
  );
  for (const link of [...chain.above, leaf]) checkWindow(link.ticket.validity, now);
  return { above: chain.above, leaf: leaf as Link<SliceTicket> };
}

/** Verifies a holding from its node's root down. */
export function openHolding(text: string, anchor: ChainAnchor, now: Instant): Chain<Holding> {
  const chain = openChain(parseDocument(text), anchor);
  const { leaf } = chain;
  refuseUnless(
    leaf.ticket.kind === "holding",
    "WRONG_TYPE",
    "this is a slice ticket, which cannot be held or split",
  );
  for (const link of [...chain.above, leaf]) checkWindow(link.ticket.validity, now);
  return { above: chain.above, leaf: leaf as Link<Holding> };
}

/** Verifies a chain of either kind, whatever the time is: for cancelling and for keeping books. */
export function openTicket(text: string, anchor: ChainAnchor): Chain<Ticket> {
  return openChain(parseDocument(text), anchor);
}

/**
 * Verifies a slice ticket by the key of the agent that issued it alone, for its principal, who trusts that agent's
 * key by its TLS connection. Only the node verifies the rest of the chain, when the ticket is redeemed.
 */
export function openIssuedTicket(text: string, issuer: PublicKey): Link<SliceTicket> {
  const document = parseDocument(text);
  const ticket = readTicket(verifyDocument(document, issuer));
  refuseUnless(
    ticket.kind === "slice",
    "WRONG_TYPE",
    "the agent answered with a holding, not a slice ticket",
  );
  return linkOf(document, ticket);
}

function openChain(document: SignedDocument, anchor: ChainAnchor): Chain<Ticket> {
  const [root, ...below] = withRoot(document, anchor);
  const chain: Chain<Ticket> = { above: [], leaf: openRoot(root!, anchor.nodeKey) };
  return below.reduce(openBelow, chain);
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

function openRoot(document: SignedDocument, nodeKey: PublicKey): Link<Holding> {
  if (document.keyName !== nodeKey.name) refuseForeignRoot(document, nodeKey);
  const root = readTicket(verifyDocument(document, nodeKey));
  refuseUnless(root.node === nodeKey.name, "WRONG_NODE", "the ticket is for another node; redeem it there");
  refuseUnless(
    root.kind === "holding" && root.parent === undefined && root.issuer === nodeKey.name,
    "BAD_CHAIN",
    "the chain does not start at a root ticket of its node",
  );
  return linkOf(document, root);
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
function openBelow(chain: Chain<Ticket>, document: SignedDocument): Chain<Ticket> {
  const parent = chain.leaf;
  const holding = parent.ticket;
  refuseUnless(holding.kind === "holding", "BAD_CHAIN", "a slice ticket was split, which it cannot be");
  const child = readTicket(verifyDocument(document, publicKeyFromSpki(holding.principalKey)));
  refuseUnless(child.parent === parent.id, "BAD_CHAIN", "parent_sha256 is not the document above it");
  checkNarrowing(holding, child);
  return { above: [...chain.above, parent as Link<Holding>], leaf: linkOf(document, child) };
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
