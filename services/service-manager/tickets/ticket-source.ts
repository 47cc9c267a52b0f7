import {
  type Acquisition,
  acquire,
  type Acquired as Gathered,
} from "#services/broker/acquisition/acquisition.ts";
import { isRefusal, makeAsk } from "#services/broker/acquisition/ask.ts";
import type { Instant } from "#shared/model/time.ts";
import { type CallFailure, isCallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import type { SliceJournal } from "../journal/slice-journal.ts";
import type { Network } from "../network/network.ts";
import type { Order } from "../planning/slice-order.ts";
import { askBook } from "./asks.ts";
import { brokeredSource } from "./brokered-source.ts";

/** What came of an acquisition: tickets are in the journal; here is why there are no more. */
export type Acquired = Pick<Gathered, "granted" | "failures">;

/** Where the tickets of one slice come from: the broker embedded here, or one that is asked. They end in its journal. */
export interface TicketSource {
  /**
   * Settles what an earlier run asked for and may or may not have been granted: those tickets are in the journal now.
   * Gives back why some of it stays unknown; while it does, nothing more may be asked for.
   */
  settle(): Promise<CallFailure[]>;
  /** Gets further tickets into the journal. Throws what an agent or broker refused when there are none. */
  acquire(acquisition: Wanted): Promise<Acquired>;
}

/** What is wanted now of a slice whose description is known. */
export type Wanted = Omit<Acquisition, "description" | "principal" | "resources">;

/** What a ticket source is made from. */
export type SourceParts = {
  readonly journal: SliceJournal;
  readonly order: Order;
  readonly network: Network;
  readonly now: Instant;
};

/** The source that is configured for this network. */
export function ticketSource(parts: SourceParts): TicketSource {
  return brokeredSource(parts, embeddedSource(parts));
}

/** The broker as a library: matches the ads of our agents itself and asks each of them in our own name. */
function embeddedSource({ journal, order, network, now }: SourceParts): TicketSource {
  const { description, resources } = order;
  const terms = { description, principal: network.principal, resources };
  const book = askBook(journal, "slivers", (agent) => network.agent(agent).ticketKeys());
  return {
    async settle() {
      const unknown: CallFailure[] = [];
      for (const ask of journal.record.asks.filter(({ purpose }) => purpose === "slivers")) {
        try {
          await makeAsk(ask, terms, network.agents, book);
        } catch (error) {
          if (!isCallFailure(error)) throw error;
          if (!isRefusal(error)) unknown.push(error);
        }
      }
      return unknown;
    },
    acquire: (wanted) => acquire({ ...terms, ...wanted }, network.agents, book, now),
  };
}
