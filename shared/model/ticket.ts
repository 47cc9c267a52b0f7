import type { Capability } from "./capability.ts";
import { refuseUnless } from "./errors.ts";
import type { PortRange } from "./ports.ts";
import type { Ceilings, Resources, Share } from "./resources.ts";
import type { Instant, Term } from "./time.ts";

/** SHA-256 of a document's body, 64 hex digits: what a ticket or lease is called everywhere. */
export type DocumentId = string;

/** Engine names a ticket may carry. What an engine is, only the node's backends know. */
export const ENGINES = ["simulated", "container", "microvm", "docker"] as const;
export type EngineName = (typeof ENGINES)[number];

/** Links below a root: a root may split three times more, so a chain has at most four documents. */
export const MAX_SPLITS = 3;

/** Elements that holdings and slice tickets share (WIRE.md §1, table "Ticket"). */
type TicketCommon = {
  /** 128 random bits, hex: makes bodies differ. Never identifies anything. */
  readonly serial: string;
  /** The holding it was split from; absent exactly in a root ticket. */
  readonly parent?: DocumentId;
  readonly issuer: string;
  /** Who may use it: SHA-256 name of a key. */
  readonly principal: string;
  /** v0.5's name of the same key. Display only. */
  readonly principleSha1: string;
  readonly node: string;
  /** Address of the node. Informs; the identity is `node`. */
  readonly ip: string;
  /** When it may be used: a holding split, a slice ticket redeemed. Clock slack applies here only. */
  readonly validity: Term;
  /** The time for which the resources are promised. */
  readonly term: Term;
  readonly ceilings: Ceilings;
  readonly engine?: EngineName;
  readonly image?: string;
  readonly ports: readonly PortRange[];
  /** Present: administrative, with exactly these capabilities (at least one). */
  readonly administrative?: readonly Capability[];
  /** The factor its issuer declares, per mille; 1000 = none. */
  readonly overbooking: number;
};

/** A ticket that can be split and never redeemed. */
export type Holding = TicketCommon & {
  readonly kind: "holding";
  /** Further links allowed below it, 1 to 3. */
  readonly splits: number;
  /** SubjectPublicKeyInfo of `principal`: verifies what is split from it. */
  readonly principalKey: Buffer;
  readonly replaces?: DocumentId;
  /**
   * SHA-256 name of the identity key of the agent that holds it, whose calls speak for `principal`, a ticket key that
   * makes none. A root names none: its node knows which agent it gave it to.
   */
  readonly holder?: string;
  readonly slicePrefix?: string;
  readonly resources: Share;
};

/** A ticket that can be redeemed, once, by its principal at its node, and never split. */
export type SliceTicket = TicketCommon & {
  readonly kind: "slice";
  readonly slice: string;
  /** How far the node may renew the lease without a new ticket. */
  readonly renewableUntil: Instant;
  readonly resources: Resources;
};

export type Ticket = Holding | SliceTicket;

/** The time a slice ticket is counted for, at its issuer and at its node: to the end of what may be renewed. */
export function countedTerm(ticket: SliceTicket): Term {
  return { start: ticket.term.start, end: ticket.renewableUntil };
}

/** How far a lease of this term may be renewed when nobody says otherwise: twice its length. */
export function defaultRenewableUntil(term: Term): Instant {
  return term.start + 2 * (term.end - term.start);
}

/** Rules that a ticket keeps by itself, whatever its parent says. Breaking one is BAD_CHAIN (409). */
export function checkConsistent(ticket: Ticket): void {
  const hold = (condition: boolean, sentence: string) => refuseUnless(condition, "BAD_CHAIN", sentence);
  if (ticket.kind === "holding") {
    hold(ticket.splits >= 1 && ticket.splits <= MAX_SPLITS, `a holding splits 1 to ${MAX_SPLITS} times`);
  } else {
    hold(ticket.parent !== undefined, "a slice ticket must be split from a holding");
    hold(ticket.validity.end <= ticket.term.end, "a slice ticket's validto_time is after its end_time");
    hold(ticket.renewableUntil >= ticket.term.end, "renewable_until_time is before end_time");
  }
  hold(ticket.administrative?.length !== 0, "an administrative ticket must list at least one capability");
}
