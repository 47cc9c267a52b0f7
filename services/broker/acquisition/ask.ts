import type { PublicKey } from "#shared/identity/key.ts";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import type { Resources } from "#shared/model/resources.ts";
import type { NodeCount, SliceDescription } from "#shared/model/slice-description.ts";
import type { DocumentId, SliceTicket } from "#shared/model/ticket.ts";
import type { Term } from "#shared/model/time.ts";
import { openIssuedTicket } from "#shared/wire/chain.ts";
import type { CallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import type { Advertisement, Specification } from "../matching/specification.ts";

/** A node as it is asked for: by its identity; the rest is for whoever redeems its ticket. */
export type AskedNode = Pick<Advertisement, "node" | "ip" | "sslport" | "site">;

/** One request for tickets, complete: sent again as it is, it gets the same tickets and no others. */
export type Ask = {
  readonly requestId: string;
  readonly agent: string;
  /** How many tickets, and the fewest that are of use: with fewer there are none at all. */
  readonly count: number;
  readonly atleast: number;
  /** In order of preference; more than `count`, so that the agent can pass over one that filled up meanwhile. */
  readonly nodes: readonly AskedNode[];
  /** Length of the term, in seconds. */
  readonly leaseSeconds: number;
};

/** A ticket that its agent's key verifies and that says what was asked for. */
export type GrantedTicket = {
  readonly id: DocumentId;
  readonly text: string;
  readonly ticket: SliceTicket;
  /** The key that verified it. */
  readonly signer: PublicKey;
};

/** An agent, as a broker needs it. */
export interface TicketAgent {
  /** Its identity where that is known, else its URL. */
  readonly name: string;
  readonly url?: string;
  /** The keys that verify its tickets; asked for anew where none that is known signed one of these. */
  ticketKeys(signed?: readonly string[]): Promise<readonly PublicKey[]>;
  /** All its nodes, with what is free over the whole of `during`. */
  advertisements(during: Term): Promise<Advertisement[]>;
  /** Asks for tickets and returns them as they came. */
  tickets(description: SliceDescription, ask: Ask): Promise<string[]>;
}

/** An agent by what it is called in an ask; asks that were written down before its identity was known name its URL. */
export function agentNamed<A extends Pick<TicketAgent, "name" | "url">>(
  agents: readonly A[],
  name: string,
): A | undefined {
  return agents.find((agent) => agent.name === name) ?? agents.find((agent) => agent.url === name);
}

/** Where asks are written down before they are made, and what came of them before anything is done with it. */
export interface AskBook {
  /** Durable when it resolves. Gives every ask its request id. `because`: what the nodes were chosen by. */
  open(asks: readonly Omit<Ask, "requestId">[], because?: Specification): Promise<Ask[]>;
  granted(ask: Ask, tickets: readonly GrantedTicket[]): Promise<void>;
  /** Nothing was granted, and never will be for this ask. */
  refused(ask: Ask, why?: Fault): Promise<void>;
  /**
   * Takes over an ask that nobody knows the fate of: tickets that come of it after all are given back, so that others
   * can be asked instead. A book without it keeps such asks open, and nothing more is asked for meanwhile.
   */
  doubtful?(ask: Ask, why: CallFailure): Promise<void>;
}

/** What the tickets of an ask have to say. */
export type Terms = {
  readonly description: SliceDescription;
  /** Whom the tickets must name. */
  readonly principal: string;
  readonly resources: Resources;
};

/**
 * Makes an ask, or makes it again: the same tickets come back. They are verified by the agent's ticket key and must say
 * what was asked. A refusal closes the ask; where nobody knows whether the agent acted, it stays open.
 */
export async function makeAsk(
  ask: Ask,
  { description, principal, resources }: Terms,
  agents: readonly TicketAgent[],
  book: AskBook,
): Promise<GrantedTicket[]> {
  const agent = agentNamed(agents, ask.agent);
  if (!agent) throw new Fault("UNKNOWN_KEY", `the agent ${ask.agent} is configured no more; put it back`);
  try {
    const [texts] = await Promise.all([agent.tickets(describing(description, ask), ask), agent.ticketKeys()]);
    const keys = await agent.ticketKeys(texts);
    const tickets = texts.map((text) => granted(text, keys));
    checkGranted(tickets, ask, { slice: description.name, principal, resources });
    await book.granted(ask, tickets);
    return tickets;
  } catch (error) {
    if (isRefusal(error)) await book.refused(ask, error);
    throw error;
  }
}

/** The description an ask carries: the same needs, for as many nodes as this agent is to find. */
function describing(description: SliceDescription, { count, atleast, leaseSeconds }: Ask): SliceDescription {
  const { program: _, ...needs } = description; // what runs there is none of the agent's business
  const nodes: NodeCount = { count, atleast, standby: 0 };
  // The nodes are named one by one: which others were to be there or not is settled.
  const where = { ...description.where, nodes: [], include: [], avoid: [], avoidSites: [] };
  return { ...needs, nodes, leaseSeconds, where };
}

function granted(text: string, keys: readonly PublicKey[]): GrantedTicket {
  const { id, ticket, signer } = openIssuedTicket(text, keys);
  return { id, text, ticket, signer };
}

/** An agent's answer is used only as far as it was asked for. */
function checkGranted(
  tickets: readonly GrantedTicket[],
  ask: Ask,
  { slice, principal, resources }: { slice: string; principal: string; resources: Resources },
): void {
  const asked = new Map(ask.nodes.map((n) => [n.node, n.ip]));
  const nodes = new Set(tickets.map((t) => t.ticket.node));
  const proper =
    tickets.length <= ask.count &&
    nodes.size === tickets.length &&
    tickets.every(
      ({ ticket }) =>
        asked.get(ticket.node) === ticket.ip &&
        ticket.slice === slice &&
        ticket.principal === principal &&
        ticket.resources.cpuMillis >= resources.cpuMillis &&
        ticket.resources.memoryMib >= resources.memoryMib &&
        ticket.resources.diskMib >= resources.diskMib &&
        ticket.resources.egressKbps >= resources.egressKbps,
    );
  refuseUnless(
    proper,
    "BAD_CHAIN",
    `the agent ${ask.agent} answered with other tickets than those asked for; tell its owner`,
  );
}

/** A fault that says that nothing was done. */
export function isRefusal(error: unknown): error is Fault {
  return error instanceof Fault && !error.retryable;
}
