import type { Instant, Term } from "#shared/model/time.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database } from "#shared/runtime/database.ts";
import type { Log } from "#shared/runtime/log.ts";
import type { SecurePort } from "#shared/web/secure-port.ts";
import { startWebServer, type WebServer } from "#shared/web/server.ts";
import type { AgentConfig } from "./config.ts";
import { SILENT_SECONDS } from "./issuing/offer.ts";
import { admissionRoutes } from "./pages/admission/routes.ts";
import { booksRoutes, privateParts } from "./pages/books/routes.ts";
import type { Fleet } from "./pages/fleet.ts";
import { agentMetrics } from "./pages/metrics.ts";
import { type NodesHead, nodesDocument } from "./pages/nodes-document.ts";
import { addNodesRoute, type NodesFeed } from "./pages/nodes-route.ts";
import { peopleRoutes } from "./pages/people/routes.ts";
import { agentRoutes } from "./pages/routes.ts";
import { shortages } from "./pages/shortage.ts";
import type { TicketKeys } from "./signing/ticket-keys.ts";
import { ticketFates } from "./store/inspection/fates.ts";
import {
  countIdleNodes,
  nodesOverview,
  slicesOverview,
  sliversOverview,
} from "./store/inspection/overview.ts";
import { type Advertisement, advertisementPages } from "./store/issuing/advertisements.ts";
import { FRESH_SECONDS, knownConditions } from "./store/monitors/conditions.ts";
import { fleetHistory, KEPT_SECONDS, nodeHistory } from "./store/monitors/history.ts";
import { monitorRecords } from "./store/monitors/monitors.ts";

export type InspectionParts = {
  readonly database: Database;
  /** What signed the tickets, which their pages verify. */
  readonly keys: TicketKeys;
  readonly self: () => Omit<NodesHead, "now">;
  /** The monitors this agent polls, by name. */
  readonly monitors: readonly string[];
  /** What the operator should look after. */
  readonly concerns: () => readonly string[];
  /** Where those with certificates look, if anywhere. */
  readonly secure?: SecurePort;
  readonly clock: Clock;
  readonly log: Log;
};

/** Nodes, and slices, that are read for a page. */
const READ = 10_000;

/** Serves what anybody may see of an agent (paper §4.2: "a tiny embedded web server to allow for remote inspection"). */
export function startInspection(
  { listen, overbooking }: Pick<AgentConfig, "listen" | "overbooking">,
  { database, keys, self, monitors, concerns, secure, clock, log }: InspectionParts,
): Promise<WebServer> {
  async function read(): Promise<Fleet> {
    const now = clock.now();
    const ads: Advertisement[] = [];
    for await (const page of advertisementPages(database, { during: momentOf(now) }, now, overbooking)) {
      ads.push(...page);
      if (ads.length >= READ) break;
    }
    const names = ads.map(({ node }) => node);
    const [conditions, records, slices, idle, fates] = await Promise.all([
      knownConditions(database, names, now - FRESH_SECONDS),
      monitorRecords(database, monitors),
      slicesOverview(database, now, READ),
      countIdleNodes(database, now),
      ticketFates(database, now, now - SILENT_SECONDS, READ),
    ]);
    return {
      ...{
        ...self(),
        concerns: concerns(),
        now,
        ads,
        monitors: records,
        slices,
        idle,
        shortages: shortages(fates, now),
        limit: READ,
      },
      conditions: new Map(conditions.map((condition) => [condition.node, condition])),
    };
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

  return startWebServer({
    ...{ address: listen.address, port: listen.web_port, names: listen.web_names, secure, log },
    service: "Slicelab agent",
    ...{ now: () => clock.now(), metrics, more: (app) => addNodesRoute(app, nodes, log) },
    ready: () => nodesOverview(database, clock.now()),
    routes: [
      ...agentRoutes({
        fleet: together(read),
        slivers: (of) => sliversOverview(database, clock.now(), of, READ),
        more: privateParts({ database, clock }),
        history: {
          now: () => clock.now(),
          node: (name) => nodeHistory(database, name, clock.now() - KEPT_SECONDS),
          fleet: () => fleetHistory(database, clock.now() - KEPT_SECONDS),
        },
      }),
      ...booksRoutes({ database, clock, keys }),
      ...peopleRoutes({ database, clock }),
      ...admissionRoutes({ database, clock }),
    ],
  });
}

/** Whoever asks while it is being read gets the same: so that no number of readers reads it more than once at a time. */
function together<T>(read: () => Promise<T>): () => Promise<T> {
  let reading: Promise<T> | undefined;
  return () => {
    reading ??= read().finally(() => {
      reading = undefined;
    });
    return reading;
  };
}

/** The shortest term there is. */
function momentOf(now: Instant): Term {
  return { start: now, end: now + 1 };
}
