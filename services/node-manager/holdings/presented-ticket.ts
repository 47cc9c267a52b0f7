import type { KeyName } from "#shared/identity/key.ts";
import { refuseUnless } from "#shared/model/errors.ts";
import type { Ticket } from "#shared/model/ticket.ts";
import { type Chain, openTicket } from "#shared/wire/chain.ts";
import { MAX_STATED_TICKETS } from "#shared/wire/statement-document.ts";
import type { Store } from "../store.ts";
import type { RootsOfNode } from "./roots.ts";

/** A ticket that is asked about or to be cancelled, and the agent whose root is above it. */
export type PresentedTicket<T extends Ticket = Ticket> = {
  readonly chain: Chain<T>;
  readonly agent: KeyName;
};

/** Throws TOO_LARGE for more tickets than one statement speaks of. */
export function refuseMoreThanOneStatement(tickets: readonly string[]): void {
  refuseUnless(
    tickets.length <= MAX_STATED_TICKETS,
    "TOO_LARGE",
    `one call is about at most ${MAX_STATED_TICKETS} tickets; make several`,
  );
}

/**
 * A ticket presented by somebody it is the business of: its principal, an issuer above it, the agent whose root is
 * above it, or the holder that one of the holdings names, whose calls speak for its ticket key. Others: NOT_PRINCIPAL.
 */
export function presentedTicket(
  { roots, store }: { readonly roots: RootsOfNode; readonly store: Store },
  text: string,
  peer: KeyName,
): PresentedTicket {
  const chain = openTicket(text, roots.anchor);
  const root = store.roots.find((chain.above[0] ?? chain.leaf).id);
  const agent = root?.agent ?? roots.agentOf(chain);
  const links = [chain.leaf, ...chain.above];
  const issuers = links.map(({ ticket }) => ticket.issuer);
  const holders = links.flatMap(({ ticket }) => (ticket.kind === "holding" ? [ticket.holder] : []));
  refuseUnless(
    [chain.leaf.ticket.principal, agent, ...issuers, ...holders].includes(peer),
    "NOT_PRINCIPAL",
    "a ticket is the business of its principal and of the agents above it only",
  );
  return { chain, agent };
}
