import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { AgentConnection } from "#services/broker/acquisition/agent-connection.ts";
import { refuseUnless } from "#shared/model/errors.ts";
import type { NodeCount } from "#shared/model/slice-description.ts";
import { documentId } from "#shared/wire/document.ts";
import { describedRequest, MAX_REQUEST_AGENTS, writeRequest } from "#shared/wire/request-document.ts";
import { isCallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import type { OpenRequest } from "../journal/slice-record.ts";
import type { BrokerConnection } from "../network/broker-connection.ts";
import type { Network } from "../network/network.ts";
import type { NamedAgent } from "./brokered-tickets.ts";
import type { SourceParts, Wanted } from "./ticket-source.ts";

/** How long a broker may act on a request, in seconds. */
const REQUEST_SECONDS = 900;

/** The most nodes one request is for: the tickets come back in one answer. */
const MOST_NODES = 2_000;

/** A request with what its tickets are verified by. */
export type Asked = { readonly request: OpenRequest; readonly agents: readonly NamedAgent[] };

/**
 * Signs a request for what is wanted now, for the agents that answer and that the broker asks. Throws TOO_LARGE for more
 * than fits into one, NO_CAPACITY where there is no such agent, and what the broker answers with.
 */
export async function signRequest(
  { order, network, now }: SourceParts,
  broker: BrokerConnection,
  wanted: Wanted,
): Promise<Asked> {
  const nodes: NodeCount = {
    count: wanted.wanted,
    atleast: Math.max(1, Math.min(wanted.atleast, wanted.wanted)),
    standby: wanted.standby,
  };
  refuseUnless(
    nodes.count + nodes.standby <= MOST_NODES,
    "TOO_LARGE",
    `a broker is asked for up to ${MOST_NODES} nodes at a time`,
  );
  const [facts, own] = await Promise.all([broker.facts(), answeringAgents(network)]);
  const agents = own.filter(({ identity }) => facts.agents.has(identity)).slice(0, MAX_REQUEST_AGENTS);
  refuseUnless(agents.length > 0, "NO_CAPACITY", "it asks none of the agents that answer here");
  const document = describedRequest(
    {
      principal: network.principal,
      serial: randomBytes(16).toString("hex"),
      broker: facts.identity,
      agents: agents.map(({ identity }) => identity),
      validTo: now + REQUEST_SECONDS,
    },
    { ...order.description, nodes },
  );
  const holds = wanted.held.map(({ node }) => node);
  const request: OpenRequest = {
    text: broker.seal(document),
    id: documentId(writeRequest(document)),
    broker: broker.url,
    agents: agents.map(({ name }) => name),
    holds,
    avoid: [...wanted.ruledOut.keys()].filter((node) => !holds.includes(node)),
    wanted: nodes.count,
    standby: nodes.standby,
    validTo: document.validTo,
  };
  return { request, agents };
}

/** An agent that is this much slower than the first, as a part of the deadline, is done without. */
const PATIENCE = 1 / 5;

/**
 * Our agents that answer, with what they say of themselves, which is what their tickets are verified by. One that is
 * much slower than the first holds nobody up.
 */
export async function answeringAgents({ agents, effort }: Network): Promise<NamedAgent[]> {
  const named: NamedAgent[] = [];
  const ended = new AbortController();
  const first = Promise.withResolvers<void>();
  const asked = agents.map(async (agent) => {
    const answer = await namedAgent(agent);
    if (answer) named.push(answer);
    if (answer) first.resolve();
  });
  const all = Promise.all(asked);
  const slow = first.promise.then(() =>
    pause(effort.deadlineMs * PATIENCE, undefined, { signal: ended.signal }).catch(() => undefined),
  );
  await Promise.race([all, slow]);
  ended.abort();
  effort.signal.throwIfAborted();
  const order = agents.map(({ name }) => name);
  return named.toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
}

async function namedAgent(agent: AgentConnection): Promise<NamedAgent | undefined> {
  try {
    const { identity, ticketKeys } = await agent.facts();
    return { name: agent.name, identity, ticketKeys };
  } catch (error) {
    if (!isCallFailure(error)) throw error;
    return undefined; // whoever does not answer is not named
  }
}
