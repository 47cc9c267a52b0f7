import { type Clock, systemClock } from "#shared/runtime/clock.ts";
import type { Running } from "#shared/runtime/lifecycle.ts";
import { createLog, type Log } from "#shared/runtime/log.ts";
import { dumpText } from "#shared/wire/ganglia/dump-writer.ts";
import { openTeller, type Teller } from "#shared/wire/ganglia/teller.ts";
import packageJson from "../../package.json" with { type: "json" };
import { type Announcer, startAnnouncer } from "./announcer.ts";
import { readClockState } from "./clock-state.ts";
import type { MonitorConfig } from "./config.ts";
import { type DumpServer, startDumpServer } from "./dump-server.ts";
import { HostTable } from "./host-table.ts";
import { MetadataRequests } from "./metadata-requests.ts";
import { OwnHost } from "./own-host.ts";
import { PacketRate } from "./packet-rate.ts";
import { startWeb } from "./pages/web.ts";
import { type Receiver, startReceiver } from "./receiver.ts";

/** What a monitor is given by whoever starts it. */
export type MonitorDeps = { readonly clock: Clock; readonly log: Log };

export type MonitorService = Running & {
  readonly announce: {
    readonly node: string;
    readonly ip: string;
    readonly udp: number;
    readonly xml: number;
    readonly web: string;
  };
  /** Looks at the node and tells of it, now. */
  round(): Promise<void>;
};

const FORGET_EVERY_MILLISECONDS = 10_000;

/** Starts a resource monitor. It serves when this resolves, and until it is disposed of. */
export async function startMonitor(
  config: MonitorConfig,
  deps: Partial<MonitorDeps> = {},
): Promise<MonitorService> {
  const host = { clock: deps.clock ?? systemClock(), log: deps.log ?? createLog("resource-monitor") };
  await using owned = new AsyncDisposableStack();
  const own = ownHostOf(config, host.clock);
  const table = tableOf(config);
  const teller = owned.use(
    openTeller((err, target) => host.log.warn({ err, ...target }, "the node could not be announced")),
  );
  const announcer = owned.use(await startAnnouncing(config, host, own, teller));
  const { to: targets } = config.announce;
  const requests = owned.use(
    new MetadataRequests({ table, teller, targets, uptime: () => host.clock.uptime() }),
  );
  const receiver = owned.use(await startReceiving(config, host, { own, table, announcer, requests }));
  const dumps = owned.use(await startDumping(config, host, table, own));
  const forgetting = setInterval(() => table.forget(host.clock.uptime()), FORGET_EVERY_MILLISECONDS);
  owned.defer(() => clearInterval(forgetting));
  const { address, web_port: port, web_names: names } = config.listen;
  const working = { table, receiver, dumps, teller, requests };
  const { node } = config;
  const { version } = packageJson;
  const web = owned.use(await startWeb({ ...host, address, port, names, node, version, own, working }));
  owned.defer(() => teller.stop()); // first of all, so that no part waits for whoever cannot be told

  const kept = owned.move();
  return {
    announce: {
      node: config.node.name,
      ip: config.node.ip,
      udp: receiver.port,
      xml: dumps.port,
      web: `${web.url}metrics`,
    },
    round: () => announcer.round(),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function ownHostOf({ node, announce, limits }: MonitorConfig, clock: Clock): OwnHost {
  const { name, ip, location, proc, disk } = node;
  const tmax = 2 * announce.every_seconds;
  const forgetSeconds = limits.forget_seconds;
  const metricsHeard = limits.metrics_of_host;
  const machine = { proc, disk, clock, clockState: readClockState };
  return new OwnHost({ ...machine, of: { ip, name }, location, tmax, forgetSeconds, metricsHeard });
}

function tableOf({ limits }: MonitorConfig): HostTable {
  return new HostTable({
    hosts: limits.hosts,
    metricsOfHost: limits.metrics_of_host,
    bytes: limits.table_mib * 2 ** 20,
    forgetSeconds: limits.forget_seconds,
  });
}

function startAnnouncing(
  { announce }: MonitorConfig,
  { clock, log }: MonitorDeps,
  own: OwnHost,
  teller: Teller,
): Promise<Announcer> {
  const { to: targets, every_seconds: everySeconds, metadata_seconds: metadataSeconds } = announce;
  const uptime = () => clock.uptime();
  return startAnnouncer({ own, teller, targets, everySeconds, metadataSeconds, uptime, log });
}

function startReceiving(
  { node, listen, limits }: MonitorConfig,
  { clock, log }: MonitorDeps,
  { own, table, announcer, requests }: Pick<Parts, "own" | "table" | "announcer" | "requests">,
): Promise<Receiver> {
  return startReceiver({
    address: listen.address,
    port: listen.udp_port,
    join: listen.join,
    from: listen.from,
    own: { ip: node.ip, name: node.name },
    onOwn: (packet) => own.hear(packet),
    table,
    onValue: (of, id) => requests.heard(of, id),
    rate: new PacketRate({ all: limits.packets_per_second, ofSender: limits.packets_of_sender }),
    uptime: () => clock.uptime(),
    onRequest: () => announcer.explain(),
    log,
  });
}

function startDumping(
  { cluster, listen, limits }: MonitorConfig,
  { clock, log }: MonitorDeps,
  table: HostTable,
  own: OwnHost,
): Promise<DumpServer> {
  const { version } = packageJson;
  const moment = () => ({ now: clock.now(), uptimeMs: clock.uptime() });
  function* hosts() {
    yield* own.hosts();
    yield* table.hosts(moment);
  }
  return startDumpServer({
    address: listen.address,
    port: listen.xml_port,
    dump: () => dumpText({ version, ...cluster, cluster: cluster.name, localtime: clock.now() }, hosts()),
    maxConnections: limits.readers,
    withinMs: limits.reading_seconds * 1000,
    log,
  });
}

type Parts = {
  readonly own: OwnHost;
  readonly table: HostTable;
  readonly announcer: Announcer;
  readonly requests: MetadataRequests;
};
