import type { Clock } from "#shared/runtime/clock.ts";
import type { Queries } from "#shared/runtime/database.ts";
import type { Route } from "#shared/web/route.ts";
import { enrolmentsShown, invitationsShown } from "../../store/inspection/newcomers.ts";
import { contradictions, revokedShown } from "../../store/inspection/revoked.ts";
import { listStandings } from "../../store/revocations.ts";
import { newcomersPage, revocationsPage } from "./pages.ts";

type Books = { readonly database: Queries; readonly clock: Clock };

/** Rows of anything that are read for a page. */
const READ = 1000;

/** Pages about who becomes known here and who is not believed any more, for administrators. */
export function admissionRoutes({ database, clock }: Books): Route[] {
  return [
    {
      path: "/newcomers",
      ...{ link: "Newcomers", audience: "administrator" },
      page: async () => {
        const [enrolments, invitations] = await Promise.all([
          enrolmentsShown(database, READ),
          invitationsShown(database, READ),
        ]);
        return newcomersPage(clock.now(), { enrolments, invitations, limit: READ });
      },
    },
    {
      path: "/revocations",
      ...{ link: "Revocations", audience: "administrator" },
      page: async () => {
        const [revoked, lists, found] = await Promise.all([
          revokedShown(database, READ),
          listStandings(database),
          contradictions(database),
        ]);
        return revocationsPage(clock.now(), { revoked, lists, contradictions: found, limit: READ });
      },
    },
  ];
}
