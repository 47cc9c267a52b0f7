import type { Instant, Term } from "#shared/model/time.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database } from "#shared/runtime/database.ts";
import type { Log } from "#shared/runtime/log.ts";
import type { AgentConfig } from "./config.ts";
import { SILENT_SECONDS } from "./issuing/offer.ts";
import { holdingsPage } from "./pages/holdings-page.ts";
import { agentMetrics } from "./pages/metrics.ts";
import { type NodesHead, nodesDocument } from "./pages/nodes-document.ts";
import type { NodesFeed } from "./pages/nodes-route.ts";
import { startWeb, type WebServer } from "./pages/web.ts";
import { advertisementPages, advertisements } from "./store/advertisements.ts";
import { FRESH_SECONDS, knownConditions } from "./store/conditions.ts";
import { monitorRecords } from "./store/monitors.ts";
import { nodesOverview, slicesOverview } from "./store/overview.ts";

export type InspectionParts = {
  readonly database: Database;
  readonly self: () => Omit<NodesHead, "now">;
  /** The monitors this agent polls, by name. */
  readonly monitors: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
};

const SHOWN_ON_PAGE = 500;

/** Serves what anybody may see of an agent (paper §4.2: "a tiny embedded web server to allow for remote inspection"). */
export function startInspection(
  { listen, overbooking }: Pick<AgentConfig, "listen" | "overbooking">,
  { database, self, monitors, clock, log }: InspectionParts,
): Promise<WebServer> {
  const limit = SHOWN_ON_PAGE;

  async function page(): Promise<string> {
    const now = clock.now();
    const ads = await advertisements(database, { during: momentOf(now), limit }, now, overbooking);
    const shown = ads.map(({ node }) => node);
    const [conditions, records, slices] = await Promise.all([
      knownConditions(database, shown, now - FRESH_SECONDS),
      monitorRecords(database, monitors),
      slicesOverview(database, now, limit),
    ]);
    return holdingsPage({ ...self(), now, ads, conditions, monitors: records, slices, limit });
  }

  async function metrics(): Promise<string> {
    const now = clock.now();
    const nodes = await nodesOverview(database, now - SILENT_SECONDS);
    return agentMetrics({ now, nodes, monitors: await monitorRecords(database, monitors) });
  }

  function nodes(): NodesFeed {
    const now = clock.now();
    const pages = advertisementPages(database, { during: momentOf(now) }, now, overbooking);
    return { now, pieces: nodesDocument({ ...self(), now }, pages) };
  }

  return startWeb({ address: listen.address, port: listen.web_port, page, metrics, nodes, log });
}

/** The shortest term there is. */
function momentOf(now: Instant): Term {
  return { start: now, end: now + 1 };
}
