import type { Instant } from "#shared/model/time.ts";
import type { Log } from "#shared/runtime/log.ts";
import { openMetrics } from "#shared/runtime/open-metrics.ts";
import { startWebServer, type WebPlace, type WebServer } from "#shared/web/server.ts";
import type { NodePast } from "../usage/node-past.ts";
import { auditPage } from "./audit.ts";
import { historyPage } from "./history.ts";
import { holdingPage } from "./holdings.ts";
import { nodeManagerFamilies } from "./metrics.ts";
import { type OverviewDeps, overviewPage } from "./overview.ts";
import { ownPage } from "./own.ts";
import { sliverPage } from "./slivers.ts";

export type WebParts = WebPlace & {
  readonly now: () => Instant;
  readonly past: NodePast;
  readonly log: Log;
  /** How the node is when it is asked: engines fail and work again. */
  readonly view: () => OverviewDeps;
};

const OF_ADMINISTRATORS = { audience: "administrator" } as const;

/** Serves what is to be seen of a node: its page and its numbers by anybody, by its administrators whose everything is. */
export function startWeb({ view, past, ...where }: WebParts): Promise<WebServer> {
  function metrics(): string {
    const seen = view();
    const { clockIsSure, settlements } = seen;
    return openMetrics(
      nodeManagerFamilies({
        ...{ ...seen, now: seen.now(), clockIsSure: clockIsSure(), settlements: settlements() },
      }),
    );
  }
  return startWebServer({
    ...{ ...where, service: "Slicelab node manager", metrics },
    ready: () => view().store.restored(),
    routes: [
      { path: "/", link: "Overview", page: () => overviewPage(view()) },
      {
        path: "/history",
        link: "History",
        page: () => historyPage(past.spans, view().capacity, where.now()),
      },
      { path: "/me", link: "You", audience: "principal", page: (_, { name }) => ownPage(view(), name!) },
      { path: "/slivers", ...OF_ADMINISTRATORS, link: "Slivers", page: () => sliverPage(view()) },
      { path: "/holdings", ...OF_ADMINISTRATORS, link: "Holdings", page: () => holdingPage(view()) },
      { path: "/audit", ...OF_ADMINISTRATORS, link: "Audit", page: () => auditPage(view()) },
    ],
  });
}
