import type { Ask, AskBook, GrantedTicket } from "#services/broker/acquisition/ask.ts";
import type { PublicKey } from "#shared/identity/key.ts";
import type { SliceJournal } from "../journal/slice-journal.ts";
import type { NodeAddress, OpenAsk, SliceRecord } from "../journal/slice-record.ts";

/**
 * The asks of one slice, in its journal. An ask is written down, with its request id and the key that will verify what
 * comes of it, before it is made; it is crossed out when all its tickets are on the disk.
 */
export function askBook(
  journal: SliceJournal,
  purpose: OpenAsk["purpose"],
  ticketKeysOf: (agent: string) => Promise<readonly PublicKey[]>,
): AskBook {
  return {
    async open(drafts) {
      const keys = (await Promise.all(drafts.map((draft) => ticketKeysOf(draft.agent)))).flat();
      const first = journal.record.asksMade;
      const asks = drafts.map((draft, index) => ({
        ...draft,
        requestId: `${journal.record.requestId}-${first + index + 1}`,
      }));
      await journal.update((record) => ({
        ...record,
        asksMade: first + asks.length,
        asks: [...record.asks, ...asks.map((ask) => ({ ...ask, purpose }))],
        ticketKeys: withKeys(record.ticketKeys, keys),
      }));
      return asks;
    },
    async granted(ask, tickets) {
      await journal.update((record) => ({
        ...record,
        nodes: withNodes(record.nodes, addressesOf(ask, tickets)),
        // The agent may have changed its ticket key since it was asked for it.
        ticketKeys: withKeys(
          record.ticketKeys,
          tickets.map(({ signer }) => signer),
        ),
      }));
      await Promise.all(tickets.map((ticket) => journal.keepTicket(ticket)));
      await journal.update((record) => withoutAsk(record, ask));
    },
    async refused(ask) {
      await journal.update((record) => withoutAsk(record, ask));
    },
  };
}

function withoutAsk(record: SliceRecord, { requestId }: Ask): SliceRecord {
  return { ...record, asks: record.asks.filter((ask) => ask.requestId !== requestId) };
}

/** Where the nodes of an ask's tickets are, in the order in which they were preferred. */
function addressesOf(ask: Ask, tickets: readonly GrantedTicket[]): NodeAddress[] {
  const granted = new Set(tickets.map(({ ticket }) => ticket.node));
  return ask.nodes.filter(({ node }) => granted.has(node)).map((node) => ({ ...node, agent: ask.agent }));
}

/** The keys that verify what is kept of a slice, with others. */
export function withKeys(known: readonly string[], keys: readonly PublicKey[]): string[] {
  return [...new Set([...known, ...keys.map((key) => key.spki.toString("base64"))])];
}

/** The nodes of a slice with those of new tickets, which are as they are told now. */
export function withNodes(nodes: readonly NodeAddress[], fresh: readonly NodeAddress[]): NodeAddress[] {
  const known = new Set(nodes.map(({ node }) => node));
  return [
    ...nodes.map((old) => fresh.find(({ node }) => node === old.node) ?? old),
    ...fresh.filter(({ node }) => !known.has(node)),
  ];
}
