import type { Clock } from "#shared/runtime/clock.ts";
import type { Queries } from "#shared/runtime/database.ts";
import type { Page } from "#shared/web/page.ts";
import type { Route } from "#shared/web/route.ts";
import type { Table } from "#shared/web/table.ts";
import type { Viewer } from "#shared/web/viewer.ts";
import { signDocument, withLineage } from "#shared/wire/document.ts";
import type { TicketKeys } from "../../signing/ticket-keys.ts";
import {
  grantsOverview,
  holdingRecord,
  holdingsOverview,
  labelsOf,
} from "../../store/inspection/holdings.ts";
import { sliversOverview } from "../../store/inspection/overview.ts";
import { countedTickets, type TicketOverview, ticketRecord } from "../../store/inspection/tickets.ts";
import { keysOf, type OpenedChain, openChain } from "./chain.ts";
import { holdingTable } from "./holding-tables.ts";
import { holdingPage, holdingsPage, ticketPage, ticketsPage } from "./pages.ts";
import { ticketTable } from "./ticket-table.ts";

export type Books = {
  readonly database: Queries;
  readonly clock: Clock;
  readonly keys: TicketKeys;
};

/** Rows of anything that are read for a page. */
const READ = 10_000;

/** Pages about tickets, which principals see of their own, and holdings, which only administrators see. */
export function booksRoutes({ database, clock, keys }: Books): Route[] {
  async function terms(chain: OpenedChain, { audience }: Viewer) {
    const known = await labelsOf(database, keysOf(chain));
    const own = keys.all.map(({ public: { name } }) => [name, "this agent"] as const);
    return { chain, labels: new Map([...known, ...own]), administrator: audience === "administrator" };
  }

  async function ticket(id: string, viewer: Viewer): Promise<Page | undefined> {
    const found = await ticketRecord(database, id);
    if (!found) return undefined;
    const own = viewer.name === found.owner || viewer.name === found.principal;
    // Of others' tickets a principal is told as little as of none.
    if (!own && viewer.audience !== "administrator") return undefined;
    const text = () => signDocument(keys.named(found.signer), Buffer.from(found.body), found.lineage);
    return ticketPage(clock.now(), found, await terms(openChain(text, found.nodeKey), viewer));
  }

  async function holding(id: string, viewer: Viewer): Promise<Page | undefined> {
    const now = clock.now();
    const found = await holdingRecord(database, now, id);
    if (!found) return undefined;
    const [tickets, grants, slivers] = await Promise.all([
      countedTickets(database, now, { kind: "holding", name: id }, READ),
      grantsOverview(database, now, READ, id),
      sliversOverview(database, now, { kind: "holding", name: id }, READ),
    ]);
    const chain = openChain(() => withLineage(found.lineage), found.nodeKey);
    return holdingPage(now, found, { tickets, grants, slivers }, await terms(chain, viewer));
  }

  return [
    {
      path: "/tickets",
      ...{ link: "Tickets", audience: "principal" },
      page: async (_, viewer) => {
        const [now, all] = [clock.now(), viewer.audience === "administrator"];
        const of = all
          ? { kind: "all" as const, name: "" }
          : { kind: "principal" as const, name: viewer.name! };
        return ticketsPage(now, await countedTickets(database, now, of, READ), all);
      },
    },
    { path: "/tickets/:id", audience: "principal", page: ({ id = "" }, viewer) => ticket(id, viewer) },
    {
      path: "/holdings",
      ...{ link: "Holdings", audience: "administrator" },
      page: async () => {
        const now = clock.now();
        const [holdings, grants] = await Promise.all([
          holdingsOverview(database, now, READ),
          grantsOverview(database, now, READ),
        ]);
        return holdingsPage(now, holdings, grants);
      },
    },
    { path: "/holdings/:id", audience: "administrator", page: ({ id = "" }, viewer) => holding(id, viewer) },
  ];
}

/** What of a slice or a node is not for everybody: one's own tickets, to an administrator all and the holdings. */
export function privateParts({ database, clock }: Pick<Books, "database" | "clock">) {
  return async (
    of: { readonly kind: "slice" | "node"; readonly name: string },
    viewer: Viewer,
  ): Promise<Table[]> => {
    if (viewer.audience === "public") return [];
    const now = clock.now();
    const all = viewer.audience === "administrator";
    const counted = await countedTickets(database, now, of, READ);
    const own = (ticket: TicketOverview) => ticket.principal === viewer.name || ticket.owner === viewer.name;
    const tickets = all ? counted : counted.filter(own);
    const holdings =
      all && of.kind === "node" ? [holdingTable(await holdingsOverview(database, now, READ, of.name))] : [];
    return [...(all || tickets.length > 0 ? [ticketTable(tickets, all)] : []), ...holdings];
  };
}
