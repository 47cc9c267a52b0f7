import type { AgentConnection } from "#services/broker/acquisition/agent-connection.ts";
import { Fault } from "#shared/model/errors.ts";
import type { Instant } from "#shared/model/time.ts";
import { openStatement, type TicketState } from "#shared/wire/statement-document.ts";
import { isCallFailure, TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import type { SliceJournal } from "../journal/slice-journal.ts";
import { addressOf } from "../journal/slice-record.ts";
import type { HeldTicket } from "../journal/slice-state.ts";
import { callOptions, type Effort, type Outcome, onEach } from "../network/fan-out.ts";
import type { Network, NodeConnection } from "../network/network.ts";

/**
 * Gives back every ticket of the slice that is not wanted, and forgets it once somebody who knows has said that nothing
 * lives on it: its agent that the node freed it, or the node itself. A sliver that was made of it after all, because an
 * answer got lost, is ended first. What cannot be settled now is kept for the next run.
 */
export async function disposeOfUnwanted(
  journal: SliceJournal,
  network: Network,
  effort: Effort,
  now: Instant,
): Promise<Outcome<HeldTicket, void>[]> {
  const tickets = journal.unwanted;
  const freed = release(journal, tickets, network, effort);
  const outcomes = onEach(
    "giving tickets back",
    tickets,
    async (held) => {
      try {
        await settleAtNode(journal, held, network, effort, now);
      } catch (error) {
        if (!isCallFailure(error) || !(await freed).has(held.id)) throw error;
      }
      await journal.forgetTicket(held.id);
    },
    effort,
  );
  return (await Promise.all([outcomes, freed]))[0];
}

/** Marks tickets as not to be redeemed, durably. */
export async function rejectTickets(journal: SliceJournal, ids: readonly string[]): Promise<void> {
  if (ids.every((id) => journal.record.unwanted.includes(id))) return;
  await journal.update((record) => ({ ...record, unwanted: [...new Set([...record.unwanted, ...ids])] }));
}

/** Releases tickets at their agents; gives back those that are free for certain. An agent that fails is no hindrance. */
async function release(
  journal: SliceJournal,
  tickets: readonly HeldTicket[],
  network: Network,
  effort: Effort,
): Promise<Set<string>> {
  const agentOf = (held: HeldTicket) => addressOf(journal.record, held.ticket.node).agent;
  const isOf = ({ name, url }: AgentConnection, held: HeldTicket) => [name, url].includes(agentOf(held));
  const agents = network.agents.filter((agent) => tickets.some((held) => isOf(agent, held)));
  const outcomes = await onEach(
    "releasing tickets",
    agents,
    (agent) =>
      agent.release(
        tickets.filter((held) => isOf(agent, held)).map((held) => held.text),
        effort,
      ),
    effort,
  );
  const states = outcomes.flatMap((outcome) => (outcome.ok ? outcome.value : []));
  return new Set(states.filter(({ state }) => state === "freed").map(({ ticket }) => ticket));
}

async function settleAtNode(
  journal: SliceJournal,
  held: HeldTicket,
  network: Network,
  effort: Effort,
  now: Instant,
): Promise<void> {
  const node = network.node(addressOf(journal.record, held.ticket.node));
  try {
    const state = await stateAtNode(node, held, effort);
    // A ticket that a lease of ours was renewed with is "leased" too, and that sliver is to live.
    if (state === "leased" && !journal.leases.has(held.ticket.node)) await endSliver(node, held, effort);
  } catch (error) {
    // Nothing can live longer than the ticket lets it, wherever its node is.
    if (error instanceof TransportError && now >= held.ticket.renewableUntil) return;
    throw error;
  }
}

async function stateAtNode(node: NodeConnection, held: HeldTicket, effort: Effort): Promise<TicketState> {
  const text = await node.api.canceltickets({ tickets: [held.text] }, callOptions(effort));
  const stated = openedStatement(text, node).tickets.find((ticket) => ticket.id === held.id);
  if (!stated)
    throw new TransportError("malformed", `${held.ticket.ip} said nothing of the ticket it was asked about`);
  return stated.state;
}

function openedStatement(text: string, node: NodeConnection) {
  try {
    return openStatement(text, node.key());
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw new TransportError(
      "malformed",
      `${node.address.ip} answered with no statement of its own: ${cause.sentence}`,
      {
        cause,
      },
    );
  }
}

/** The node says that this very ticket is leased, and a slice has one lease a node: the name is enough. */
async function endSliver(node: NodeConnection, held: HeldTicket, effort: Effort): Promise<void> {
  try {
    await node.api.deletelease({ slice: held.ticket.slice }, callOptions(effort));
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** Whether a node answered that there is no such slice: what was to be ended has ended. */
export function isGone(error: unknown): boolean {
  return error instanceof Fault && error.name === "NO_SLICE";
}
