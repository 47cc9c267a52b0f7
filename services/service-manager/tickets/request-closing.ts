import { countedTime } from "#services/broker/acquisition/acquisition.ts";
import type { AgentConnection } from "#services/broker/acquisition/agent-connection.ts";
import { isRefusal } from "#services/broker/acquisition/ask.ts";
import { Fault } from "#shared/model/errors.ts";
import { type CallFailure, isCallFailure, TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import type { SliceJournal } from "../journal/slice-journal.ts";
import type { NodeAddress, OpenRequest } from "../journal/slice-record.ts";
import type { Network } from "../network/network.ts";
import { type BroughtTicket, isUsable, openedTicket, type TicketTerms } from "./brokered-tickets.ts";
import { adoptTickets, crossOut, leaveOpen } from "./request-book.ts";

/** What closing a request came to. */
export type Closing = {
  /** Tickets of it that the slice has now and did not know of. */
  readonly found: number;
  /** By agent, why it could not be asked: the request stays open there, and what it brought there is still to be found. */
  readonly failures: ReadonlyMap<string, CallFailure>;
};

type ClosingParts = {
  readonly journal: SliceJournal;
  readonly network: Network;
  readonly terms: Omit<TicketTerms, "agents" | "principal">;
};

/**
 * Ends a request without its broker: every agent it names is told to issue nothing more under it, and says what it has
 * issued, which is kept. Nothing of it is in doubt then but at agents that did not answer.
 */
export async function closeRequest(request: OpenRequest, parts: ClosingParts): Promise<Closing> {
  const failures = new Map<string, CallFailure>();
  let found = 0;
  const answers = await Promise.all(
    request.agents.map(async (agent) => ({ agent, ...(await closedAt(agent, request, parts)) })),
  );
  for (const { agent, brought, failure } of answers) {
    if (failure) failures.set(agent, failure);
    else found += await adoptTickets(parts.journal, brought);
  }
  if (failures.size === 0) await crossOut(parts.journal, request.id);
  else await leaveOpen(parts.journal, request.id, [...failures.keys()]);
  return { found, failures };
}

type Closed = { readonly brought: readonly BroughtTicket[]; readonly failure?: CallFailure };

async function closedAt(name: string, request: OpenRequest, parts: ClosingParts): Promise<Closed> {
  try {
    const agent = parts.network.agent(name);
    return { brought: await broughtAt(agent, await agent.closeRequest(request.text), parts) };
  } catch (failure) {
    if (!isCallFailure(failure)) throw failure;
    // An agent that refuses a request of ours has issued nothing under it; one we don't know any more may have.
    if (isRefusal(failure) && failure.name !== "UNKNOWN_KEY") return { brought: [] };
    return { brought: [], failure };
  }
}

async function broughtAt(
  agent: AgentConnection,
  texts: readonly string[],
  { journal, network, terms }: ClosingParts,
): Promise<BroughtTicket[]> {
  if (texts.length === 0) return [];
  const agents = [{ name: agent.name, ...(await agent.facts()) }];
  const known = await addresses(agent, journal, terms);
  try {
    return texts.map((text) => {
      const whole = { ...terms, principal: network.principal, agents };
      const { agent: _, ...brought } = openedTicket(text, whole);
      const { node, ip } = brought.ticket;
      const address = known.get(node);
      const useless = !address || !isUsable(brought, whole);
      return {
        ...brought,
        useless,
        address: address ?? { node, ip, sslport: 0, site: "", agent: agent.name },
      };
    });
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw new TransportError("malformed", `${agent.url} answered improperly: ${cause.sentence}`, { cause });
  }
}

async function addresses(
  agent: AgentConnection,
  { record }: SliceJournal,
  { description, now }: ClosingParts["terms"],
): Promise<Map<string, NodeAddress>> {
  const ads = await agent.advertisements(countedTime(description.leaseSeconds, now));
  const advertised = ads.map(({ node, ip, sslport, site }) => ({
    node,
    ip,
    sslport,
    site,
    agent: agent.name,
  }));
  return new Map([...record.nodes, ...advertised].map((address) => [address.node, address]));
}
