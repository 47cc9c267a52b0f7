import { html } from "#shared/web/html.ts";
import type { Page } from "#shared/web/page.ts";
import { table } from "#shared/web/table.ts";
import type { StoredHolding } from "../store/holding-rows.ts";
import { keyed, resourceColumns, time } from "./columns.ts";
import type { OverviewDeps } from "./overview.ts";

/** Every holding that something was redeemed beneath, of whatever depth, and who holds it: for the node's administrators. */
export function holdingPage({ store, self, now }: OverviewDeps): Page {
  const rows = store.holdings.all();
  return {
    title: "Holdings",
    now: now(),
    lead: html`What node ${self.ip} knows of who may hand out its resources; below its roots only what tickets were redeemed from`,
    facts: [{ key: "holdings", title: "Holdings", value: rows.length }],
    parts: [
      table<StoredHolding>({
        ...{ id: "holdings", title: "Holdings", empty: "None are known.", rows },
        columns: [
          keyed("holding", "Holding", ({ id }) => id),
          keyed("parent", "Split from", ({ parent }) => parent),
          keyed("issuer", "Issued by", ({ issuer }) => issuer),
          keyed("principal", "Held by", ({ principal }) => principal),
          { key: "beneath", title: "Leases beneath", value: ({ id }) => store.charges.beneath(id).length },
          { key: "slivers", title: "Slivers", value: ({ share }) => share.slivers },
          ...resourceColumns<StoredHolding>(({ share }) => share),
          time("from", "From", ({ term }) => term.start),
          time("until", "Until", ({ term }) => term.end),
          time("closed", "Closed", ({ closedAt }) => closedAt),
        ],
      }),
    ],
  };
}
