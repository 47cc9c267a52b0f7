import type { KeyName } from "#shared/identity/key.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Queries } from "#shared/runtime/database.ts";
import type { Page } from "#shared/web/page.ts";
import type { Route } from "#shared/web/route.ts";
import { slicesOverview } from "../../store/inspection/overview.ts";
import {
  latestAuditEntries,
  latestStrangerRefusals,
  principalOverview,
  principalsOverview,
  privilegesOf,
  quotaUses,
} from "../../store/inspection/principals.ts";
import { countedTickets } from "../../store/inspection/tickets.ts";
import { auditPage, principalPage, principalsPage } from "./pages.ts";

type Books = { readonly database: Queries; readonly clock: Clock };

/** Rows of anything that are read for a page. */
const READ = 10_000;

/** Rows of the audit that a page shows. */
const LATEST = 1000;

/** Pages about people: each sees their own, administrators all of them. */
export function peopleRoutes({ database, clock }: Books): Route[] {
  async function principal(name: KeyName): Promise<Page | undefined> {
    const now = clock.now();
    const found = await principalOverview(database, now, name);
    if (!found) return undefined;
    const [privileges, quotas, slices, tickets, entries] = await Promise.all([
      privilegesOf(database, now, name),
      quotaUses(database, now, name),
      slicesOverview(database, now, READ, name),
      countedTickets(database, now, { kind: "principal", name }, READ),
      latestAuditEntries(database, LATEST, name),
    ]);
    return principalPage({ now, principal: found, privileges, quotas, slices, tickets, entries });
  }

  return [
    { path: "/me", link: "You", audience: "principal", page: (_, { name }) => principal(name!) },
    {
      path: "/principals",
      ...{ link: "Principals", audience: "administrator" },
      page: async () => {
        const now = clock.now();
        const [principals, quotas] = await Promise.all([
          principalsOverview(database, now, READ),
          quotaUses(database, now),
        ]);
        return principalsPage(now, principals, quotas);
      },
    },
    {
      path: "/principals/:name",
      audience: "principal",
      // Of others a principal is told as little as of nobody.
      page: ({ name = "" }, viewer) =>
        viewer.audience === "administrator" || viewer.name === name ? principal(name) : undefined,
    },
    {
      path: "/audit",
      ...{ link: "Audit", audience: "administrator" },
      page: async () => {
        const entries = await latestAuditEntries(database, LATEST);
        return auditPage(clock.now(), entries, await latestStrangerRefusals(database, LATEST));
      },
    },
  ];
}
