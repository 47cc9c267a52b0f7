import type { Instant } from "#shared/model/time.ts";
import { keyText, link, toned, utc } from "#shared/web/cells.ts";
import { type Content, html } from "#shared/web/html.ts";
import type { Fact, Page } from "#shared/web/page.ts";
import type { GrantOverview, HoldingOverview, HoldingRecord } from "../../store/inspection/holdings.ts";
import type { SliverOverview } from "../../store/inspection/overview.ts";
import type { TicketOverview, TicketRecord } from "../../store/inspection/tickets.ts";
import { holdingPath, nodePath, principalPath, sitePath, slicePath } from "../addresses.ts";
import { calendar } from "../drawings.ts";
import { type ChainTerms, chainPanel } from "./chain.ts";
import { grantTable, holdingTable } from "./holding-tables.ts";
import { stateText, TICKET_STATES, ticketTable } from "./ticket-table.ts";

/** All tickets that count, or those of whoever looks. */
export function ticketsPage(now: Instant, tickets: readonly TicketOverview[], all: boolean): Page {
  return { title: all ? "Tickets" : "Your tickets", now, parts: [ticketTable(tickets, all)] };
}

export function holdingsPage(
  now: Instant,
  holdings: readonly HoldingOverview[],
  grants: readonly GrantOverview[],
): Page {
  return { title: "Holdings", now, parts: [holdingTable(holdings), grantTable(grants)] };
}

/** One ticket: what it says, what became of it, and the chain it stands at the end of. */
export function ticketPage(now: Instant, ticket: TicketRecord, terms: ChainTerms): Page {
  const { id, slice, node, ip, site, principal, label, holding, broker, body } = ticket;
  const state = stateText(ticket);
  const { administrator } = terms;
  return {
    title: `Ticket ${id.slice(0, 12)}…`,
    lead: html`<code>${id}</code>`,
    now,
    notices: noticesOf(ticket, now),
    facts: [
      { key: "ticket", title: "Identity", value: id, show: keyText(id) },
      { key: "state", title: "State", value: state, show: toned(TICKET_STATES[ticket.state].tone, state) },
      linked("slice", "Slice", slice, slicePath(slice)),
      linked("node", "Node", node, nodePath(node), ip),
      ...(site === null ? [] : [linked("site", "Site", site, sitePath(site))]),
      administrator
        ? linked("principal", "Whose", principal, principalPath(principal), label ?? keyText(principal))
        : { key: "principal", title: "Whose", value: principal, show: label ?? keyText(principal) },
      administrator
        ? linked("holding", "Split from", holding, holdingPath(holding), keyText(holding))
        : { key: "holding", title: "Split from", value: holding, show: keyText(holding) },
      { key: "broker", title: "Asked for by", value: broker ?? undefined, show: askedBy(broker) },
      { key: "cpu_millis", title: "Processor (1/1000 core)", value: ticket.cpuMillis },
      { key: "memory_mib", title: "Memory (MiB)", value: ticket.memoryMib },
      { key: "disk_mib", title: "Disk (MiB)", value: ticket.diskMib },
      { key: "egress_kbps", title: "Egress (kbit/s)", value: ticket.egressKbps },
      { key: "issued", title: "Issued", value: utc(Math.floor(ticket.issued)) },
      { key: "valid_to", title: "To be redeemed by", value: utc(ticket.validTo) },
      { key: "from", title: "Counted from", value: utc(ticket.from) },
      { key: "to", title: "Counted until", value: utc(ticket.to) },
      { key: "released", title: "Given back", value: timeText(ticket.released) },
      { key: "settled", title: "Node told of it", value: timeText(ticket.settled) },
    ],
    parts: [
      chainPanel(terms),
      { id: "body", title: "What is signed", body: html`<pre tabindex="0">${body}</pre>` },
    ],
  };
}

function noticesOf({ state, released, validTo }: TicketRecord, now: Instant): string[] {
  if (state === "cancelled")
    return ["It was given back and its node has cancelled it: it can't be redeemed any more."];
  if (state === "unredeemed") return ["Nobody redeemed it in time: it counts no more."];
  if (state !== "issued") return [];
  if (released !== null)
    return ["It was given back, and counts until its node has said that nobody redeemed it."];
  return now > validTo
    ? ["Its time to be redeemed is over; its node has not said yet what became of it."]
    : [];
}

function askedBy(broker: string | null): Content {
  return broker === null ? "its principal" : html`the broker ${keyText(broker)}`;
}

function timeText(at: Instant | null): string {
  return at === null ? "–" : utc(Math.floor(at));
}

function linked(key: string, title: string, value: string, href: string, text: Content = value): Fact {
  return { key, title, value, show: link(href, text) };
}

/** What stands beneath one holding. */
export type Beneath = {
  readonly tickets: readonly TicketOverview[];
  readonly grants: readonly GrantOverview[];
  readonly slivers: readonly SliverOverview[];
};

export function holdingPage(
  now: Instant,
  holding: HoldingRecord,
  { tickets, grants, slivers }: Beneath,
  terms: ChainTerms,
): Page {
  const { id, node, ip } = holding;
  return {
    title: `Holding of ${ip}`,
    lead: html`<code>${id}</code>`,
    now,
    notices: holding.replaced ? ["A later holding renews it: both are one account together."] : [],
    facts: [
      { key: "holding", title: "Identity", value: id, show: keyText(id) },
      linked("node", "Node", node, nodePath(node), ip),
      { key: "slivers", title: "Slivers", value: holding.slivers },
      { key: "charged", title: "Counted now in its account", value: holding.charged },
      { key: "cpu_millis", title: "Processor (1/1000 core)", value: holding.cpuMillis },
      { key: "memory_mib", title: "Memory (MiB)", value: holding.memoryMib },
      { key: "disk_mib", title: "Disk (MiB)", value: holding.diskMib },
      { key: "egress_kbps", title: "Egress (kbit/s)", value: holding.egressKbps },
      { key: "splits", title: "Splits further", value: holding.splits },
      { key: "start", title: "From", value: utc(holding.start) },
      { key: "end", title: "Until", value: utc(holding.end) },
      { key: "deposited", title: "Deposited", value: utc(Math.floor(holding.deposited)) },
    ],
    parts: [
      chainPanel(terms),
      calendar({ now }, slivers, "slice"),
      ticketTable(tickets, true),
      grantTable(grants),
    ],
  };
}
