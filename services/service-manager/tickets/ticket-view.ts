import type { AgentConnection } from "#services/broker/acquisition/agent-connection.ts";
import type { DocumentId, SliceTicket } from "#shared/model/ticket.ts";
import { openIssuedTicket } from "#shared/wire/chain.ts";
import { type CallFailure, isCallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import { existingSlice, readSlice, sliceNames } from "../journal/slice-state.ts";
import type { Network } from "../network/network.ts";

/** A ticket that is not redeemed, as far as is known. */
export type TicketView = {
  readonly id: DocumentId;
  readonly ticket: SliceTicket;
  /** `here`: in the journal. `agent`: an agent counts it, and it is not here (any more). `both`. */
  readonly where: "here" | "agent" | "both";
};

/** Tickets of one slice, or of all: the journal's, and those that agents still count. */
export async function findTickets(
  home: string,
  slice: string | undefined,
  network: Network,
): Promise<{ views: TicketView[]; failures: CallFailure[] }> {
  const here = await ticketsHere(home, slice);
  const views = new Map<DocumentId, TicketView>(here);
  const failures: CallFailure[] = [];
  for (const agent of network.agents) {
    try {
      for (const { id, ticket } of await outstanding(agent)) {
        if (slice !== undefined && ticket.slice !== slice) continue;
        views.set(id, { id, ticket, where: here.has(id) ? "both" : "agent" });
      }
    } catch (error) {
      if (!isCallFailure(error)) throw error;
      failures.push(error);
    }
  }
  return { views: [...views.values()], failures };
}

async function ticketsHere(home: string, slice: string | undefined): Promise<Map<DocumentId, TicketView>> {
  const slices =
    slice === undefined
      ? await Promise.all((await sliceNames(home)).map((name) => readSlice(home, name)))
      : [await existingSlice(home, slice)];
  const tickets = slices.flatMap((state) => [...(state?.tickets.values() ?? [])]);
  return new Map(tickets.map(({ id, ticket }) => [id, { id, ticket, where: "here" }]));
}

async function outstanding(agent: AgentConnection) {
  const texts = await agent.outstanding();
  const keys = await agent.ticketKeys(texts);
  return texts.map((text) => openIssuedTicket(text, keys));
}
