import { keyText, link, type Tone, toned, utc } from "#shared/web/cells.ts";
import { html } from "#shared/web/html.ts";
import { type Column, type Table, table } from "#shared/web/table.ts";
import type { TicketOverview } from "../../store/inspection/tickets.ts";
import type { TicketState } from "../../store/issuing/tickets.ts";
import { nodePath, principalPath, slicePath, ticketPath } from "../addresses.ts";

/** How a ticket's state is told, and in which colour. */
export const TICKET_STATES: Readonly<Record<TicketState, { readonly text: string; readonly tone: Tone }>> = {
  issued: { text: "to redeem", tone: "plain" },
  redeemed: { text: "lease", tone: "good" },
  ended: { text: "lease ended", tone: "plain" },
  unredeemed: { text: "never redeemed", tone: "warn" },
  cancelled: { text: "cancelled", tone: "warn" },
};

/** What becomes of a ticket, in words: given back ones count until their node has said so. */
export function stateText({ state, released }: Pick<TicketOverview, "state" | "released">): string {
  const { text } = TICKET_STATES[state];
  return state === "issued" && released !== null ? "given back" : text;
}

/** Tickets; `whose` adds the column of principals. */
export function ticketTable(tickets: readonly TicketOverview[], whose = false): Table {
  return table<TicketOverview>({
    ...{ id: "tickets", title: "Tickets", empty: "No ticket counts now or later.", rows: tickets },
    columns: [
      {
        ...{ key: "ticket", title: "Ticket", value: ({ id }) => id },
        show: ({ id }) => link(ticketPath(id), keyText(id)),
      },
      {
        ...{ key: "slice", title: "Slice", value: ({ slice }) => slice },
        show: ({ slice }) => link(slicePath(slice), slice),
      },
      ...(whose ? [WHOSE] : []),
      { key: "ip", title: "Node", value: ({ ip }) => ip, show: ({ ip, node }) => link(nodePath(node), ip) },
      {
        ...{ key: "state", title: "State", value: stateText },
        show: (ticket) => toned(TICKET_STATES[ticket.state].tone, stateText(ticket)),
      },
      { key: "memory_mib", title: "Memory (MiB)", value: ({ memoryMib }) => memoryMib },
      { key: "cpu_millis", title: "Processor (1/1000 core)", value: ({ cpuMillis }) => cpuMillis },
      {
        ...{ key: "issued", title: "Issued", time: true, value: ({ issued }) => issued },
        show: ({ issued }) => utc(Math.floor(issued)),
      },
      {
        ...{ key: "to", title: "Counted until", time: true, value: ({ to }) => to },
        show: ({ to, state, validTo }) =>
          html`${utc(to)}${state === "issued" ? html`<small>to be redeemed by ${utc(validTo)}</small>` : undefined}`,
      },
    ],
  });
}

const WHOSE: Column<TicketOverview> = {
  ...{ key: "principal", title: "Whose", value: ({ label, principal }) => label ?? principal },
  show: ({ label, principal }) => link(principalPath(principal), label ?? keyText(principal)),
};
