import type { Clock } from "#shared/runtime/clock.ts";
import type { Log } from "#shared/runtime/log.ts";
import { openMetrics } from "#shared/runtime/open-metrics.ts";
import { startWebServer, type WebPlace, type WebServer } from "#shared/web/server.ts";
import type { OwnHost } from "../own-host.ts";
import { nodeFamilies, nodeManagerFamilies, sliceFamilies } from "./node-families.ts";
import { type MonitorView, overviewPage } from "./overview.ts";
import { type Working, workFamilies } from "./work-families.ts";

export type WebParts = Omit<WebPlace, "secure"> &
  Pick<MonitorView, "node" | "version"> & {
    readonly own: OwnHost;
    readonly working: Working;
    readonly clock: Clock;
    readonly log: Log;
  };

/** Serves what the monitor knows: a page, and /metrics to be scraped. */
export function startWeb(parts: WebParts): Promise<WebServer> {
  const { address, port, names, own, working, clock, log, node, version } = parts;
  const view = (): MonitorView => {
    const now = clock.now();
    const hosts = [...working.table.hosts(() => ({ now, uptimeMs: clock.uptime() }))];
    return { now, version, node, own: own.metrics, heard: own.heard, hosts };
  };
  const families = () => [
    ...nodeFamilies(own.metrics),
    ...nodeManagerFamilies(own.heard),
    ...sliceFamilies(own.heard),
    ...workFamilies(working),
  ];
  return startWebServer({
    ...{ address, port, names, log, service: "Slicelab resource monitor", now: () => clock.now() },
    ready: () => undefined,
    metrics: () => openMetrics(families()),
    routes: [{ path: "/", link: "Overview", page: () => overviewPage(view()) }],
  });
}
