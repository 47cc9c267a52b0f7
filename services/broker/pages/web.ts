import type { Clock } from "#shared/runtime/clock.ts";
import type { Database } from "#shared/runtime/database.ts";
import type { Log } from "#shared/runtime/log.ts";
import { openMetrics } from "#shared/runtime/open-metrics.ts";
import { startWebServer, type WebPlace, type WebServer } from "#shared/web/server.ts";
import { acquisitionRecords, acquisitionsOf, tally } from "../store/acquisitions.ts";
import { brokerFamilies, type Work } from "./metrics.ts";
import { type Overview, overviewPage } from "./overview.ts";
import { everybodysPage, ownPage } from "./own.ts";

export type WebParts = WebPlace & {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly self: () => Omit<Overview, "now" | "tally">;
  readonly work: () => Work;
};

const SHOWN = 500;

/** Serves what strangers may see of a broker, to be read and nothing else. */
export function startWeb(parts: WebParts): Promise<WebServer> {
  const { address, port, names, secure, database, clock, log, self, work } = parts;
  return startWebServer({
    ...{ address, port, names, secure, log, service: "Slicelab broker", now: () => clock.now() },
    ready: () => tally(database),
    metrics: async () => openMetrics(brokerFamilies(await tally(database), work())),
    routes: [
      {
        path: "/",
        link: "Overview",
        page: async () => {
          const [counts, records] = await Promise.all([tally(database), acquisitionRecords(database, SHOWN)]);
          return overviewPage({ ...self(), now: clock.now(), tally: counts }, records);
        },
      },
      {
        path: "/me",
        ...{ link: "You", audience: "principal" },
        page: async (_, { name }) =>
          ownPage(name!, await acquisitionsOf(database, name!, SHOWN), clock.now()),
      },
      {
        path: "/acquisitions",
        ...{ link: "Acquisitions", audience: "administrator" },
        page: async () => everybodysPage(await acquisitionsOf(database, undefined, SHOWN), clock.now()),
      },
    ],
  });
}
