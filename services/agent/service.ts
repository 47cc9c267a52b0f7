import { loadIdentity } from "#shared/identity/identity.ts";
import { clientTlsOptions, peerOf, serverTlsOptions } from "#shared/identity/tls.ts";
import { Fault } from "#shared/model/errors.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import { systemClock } from "#shared/runtime/clock.ts";
import { watchClock } from "#shared/runtime/clock-watch.ts";
import { type Database, openDatabase } from "#shared/runtime/database.ts";
import type { Running } from "#shared/runtime/lifecycle.ts";
import { createLog, type Log } from "#shared/runtime/log.ts";
import { migrate } from "#shared/runtime/migrations.ts";
import { agentApi } from "#shared/wire/agent-api.ts";
import { nodeManagerApi } from "#shared/wire/node-manager-api.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { startXmlRpcServer } from "#shared/wire/xmlrpc/server.ts";
import packageJson from "../../package.json" with { type: "json" };
import { Answers } from "./answers.ts";
import { type AgentSelf, agentHandlers } from "./api.ts";
import { startBackground } from "./background.ts";
import type { AgentConfig } from "./config.ts";
import { Deposits } from "./deposit.ts";
import { Issuance } from "./issuance.ts";
import { holdingsPage } from "./pages/holdings-page.ts";
import { startWeb } from "./pages/web.ts";
import { Refusals } from "./refusals.ts";
import { type CancelAt, Release } from "./release.ts";
import { Settlement } from "./settlement.ts";
import { advertisements } from "./store/advertisements.ts";
import { latestAudit } from "./store/audit.ts";
import { saveTicketKey } from "./store/holdings.ts";
import { slicesOverview } from "./store/overview.ts";
import { openTicketKeys } from "./ticket-keys.ts";

/** The schema of this service in its database, and the name of its migrations. */
export const SCHEMA = "agent";

/** What an agent is given by whoever starts it. */
export type AgentDeps = {
  readonly clock: Clock;
  readonly log: Log;
  /** Opens the database, which the agent closes. */
  readonly openDatabase: (url: string, log: Log) => Database;
  readonly cancelTimeoutMs: number;
};

export type AgentService = Running & {
  readonly announce: {
    readonly tls: string;
    readonly plain?: string;
    readonly web: string;
    readonly agent: string;
  };
  /** The scan that runs every `scan_seconds`, once, now. */
  scan(): Promise<void>;
};

/** Certificates are valid by real time, whatever clock the agent was given. */
const REAL_TIME = systemClock();

const CONNECTIONS = 20;
const CANCEL_TIMEOUT_MS = 10_000;
const SHOWN_ON_PAGE = 500;

/** Starts an agent. It serves when this resolves, and until it is disposed of. */
export async function startAgent(config: AgentConfig, deps: Partial<AgentDeps> = {}): Promise<AgentService> {
  const clock = deps.clock ?? systemClock();
  const log = deps.log ?? createLog("agent");
  const open = deps.openDatabase ?? openAgentDatabase;
  await using owned = new AsyncDisposableStack();

  const identity = await loadIdentity({
    key: config.identity.key,
    cert: config.identity.certificate,
    ca: config.identity.authority,
  });
  const keys = await openTicketKeys(config.ticket_key, config.previous_ticket_key);
  await migrate(config.database, SCHEMA, log);
  const database = owned.use(open(config.database, log));
  for (const { public: key } of keys.all) await saveTicketKey(database, key.name, key.spki, clock.now());

  const watch = owned.use(watchClock(clock, (moved) => log.warn({ moved }, "the clock was set")));
  const latest = Math.floor((await latestAudit(database)) / 1000);
  const policy = { maxLeaseSeconds: config.max_lease_seconds, overbooking: config.overbooking };
  const connections = owned.use(new Connections(clientTlsOptions(identity.tls)));
  const issuance = new Issuance({ database, keys, clock, watch }, policy, latest);
  const deposits = new Deposits(database, keys, clock);
  const settlement = new Settlement(database, clock);
  const cancelAt = cancelling(connections, deps.cancelTimeoutMs ?? CANCEL_TIMEOUT_MS);
  const release = new Release({ database, keys, settlement, clock, watch, cancelAt, log });
  const refusals = owned.use(new Refusals(database, clock, log));
  const answers = new Answers(database, keys);

  async function scan(): Promise<void> {
    await release.scan();
    await answers.forget(clock.now());
    await refusals.flush();
  }
  const background = owned.use(startBackground(scan, config.scan_seconds, log));

  const ports = { plain: 0, tls: 0, web: 0 };
  const self = (): AgentSelf => ({
    ports,
    ...policy,
    defaultResources: defaultResources(config),
    agent: identity.name,
    version: packageJson.version,
  });
  const parts = {
    database,
    keys,
    issuance,
    deposits,
    settlement,
    release,
    self,
    inBackground: background.run,
  };
  const { address, tls_port, plain_port, web_port } = config.listen;
  const server = owned.use(
    await startXmlRpcServer(agentApi, agentHandlers(parts), {
      clock,
      log,
      replies: answers,
      onRefusal: (fault, call) => refusals.record(fault, call),
      tls: { host: address, port: tls_port, options: serverTlsOptions(identity.tls) },
      ...(plain_port !== undefined && { plain: { host: address, port: plain_port } }),
      authenticate: (socket) => {
        try {
          return peerOf(socket, { now: new Date(REAL_TIME.milliseconds()) });
        } catch (error) {
          if (error instanceof Fault) refusals.countStranger(error, "");
          throw error;
        }
      },
    }),
  );
  const page = async () =>
    holdingsPage({
      ...self(),
      now: clock.now(),
      ads: await advertisements(database, pageFilter(clock), clock.now(), policy.overbooking),
      slices: await slicesOverview(database, clock.now(), SHOWN_ON_PAGE),
      limit: SHOWN_ON_PAGE,
    });
  const web = owned.use(await startWeb({ address, port: web_port, page, log }));
  Object.assign(ports, { plain: server.plainPort ?? 0, tls: server.port, web: web.port });

  const kept = owned.move();
  return {
    announce: {
      tls: server.url,
      ...(server.plainUrl !== undefined && { plain: server.plainUrl }),
      web: `http://${address.includes(":") ? `[${address}]` : address}:${web.port}/`,
      agent: identity.name,
    },
    scan,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** The agent's own database, as the service and its local commands open it. */
export function openAgentDatabase(url: string, log?: Log): Database {
  return openDatabase(url, { schema: SCHEMA, log, connections: CONNECTIONS, settings: SETTINGS });
}

/**
 * Each connection plans a statement once and keeps the plan. One made while a table was empty would read all of it for
 * ever after, so rows are found by index from the first one on; and nothing here is worth compiling.
 */
const SETTINGS = { enable_seqscan: "off", enable_hashjoin: "off", enable_mergejoin: "off", jit: "off" };

/** Asks a node, known by its key wherever it is. */
function cancelling(connections: Connections, timeoutMs: number): CancelAt {
  return async ({ node, ip, sslport }, tickets) => {
    const url = `https://${ip.includes(":") ? `[${ip}]` : ip}:${sslport}/RPC2`;
    const client = xmlRpcClient(nodeManagerApi, { url, connections, expectedPeer: node, timeoutMs });
    return await client.canceltickets({ tickets: [...tickets] });
  };
}

function defaultResources({ default_resources: given }: AgentConfig) {
  return {
    cpuMillis: given.cpu_millis,
    memoryMib: given.memory_mib,
    diskMib: given.disk_mib,
    egressKbps: given.egress_kbps,
  };
}

function pageFilter(clock: Clock) {
  const now = clock.now();
  return { during: { start: now, end: now + 1 }, limit: SHOWN_ON_PAGE };
}
