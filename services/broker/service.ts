import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { authenticator } from "#shared/identity/authentication.ts";
import { openServiceIdentity, type ServiceIdentity } from "#shared/identity/service-identity.ts";
import { serverTlsOptions } from "#shared/identity/tls.ts";
import { type Clock, realTime, systemClock } from "#shared/runtime/clock.ts";
import { startConcerns } from "#shared/runtime/concerns.ts";
import { type Database, openDatabase } from "#shared/runtime/database.ts";
import type { Running } from "#shared/runtime/lifecycle.ts";
import { createLog, type Log } from "#shared/runtime/log.ts";
import { migrate } from "#shared/runtime/migrations.ts";
import { listenForNotifications } from "#shared/runtime/notifications.ts";
import { securePort } from "#shared/web/secure-port.ts";
import { type ServedPlaces, servedPlaces } from "#shared/web/served-places.ts";
import type { WebServer } from "#shared/web/server.ts";
import { byCertificate } from "#shared/web/viewer.ts";
import { brokerApi } from "#shared/wire/broker-api.ts";
import { renewedByAny } from "#shared/wire/certificate-api.ts";
import { connectionsOf } from "#shared/wire/xmlrpc/connections.ts";
import { startXmlRpcServer, type XmlRpcServer } from "#shared/wire/xmlrpc/server.ts";
import packageJson from "../../package.json" with { type: "json" };
import { type BrokerParts, type BrokerSelf, brokerHandlers } from "./api.ts";
import type { BrokerConfig } from "./config.ts";
import { Jobs, QUEUE_SCHEMA } from "./jobs.ts";
import { startWeb } from "./pages/web.ts";
import { Clearing } from "./pursuit/clearing.ts";
import { Intake } from "./pursuit/intake.ts";
import { KnownAgents } from "./pursuit/known-agents.ts";
import { News } from "./pursuit/news.ts";
import { Pursuit } from "./pursuit/pursuit.ts";
import { type BrokerRevocations, startRevocations } from "./revocations.ts";
import { NEWS_CHANNEL } from "./store/acquisitions.ts";

/** The schema of this service in its database, and the name of its migrations. */
export const SCHEMA = "broker";

/** What a broker is given by whoever starts it. */
export type BrokerDeps = { readonly clock: Clock; readonly log: Log };

export type BrokerService = Running & {
  readonly announce: ServedPlaces & { readonly broker: string };
  /** The look for lost work that happens every `scan_seconds`, once, now. */
  scan(): Promise<void>;
  /** What happens every `revocation_seconds`, once, now: agents are asked for what is revoked. */
  poll(): Promise<void>;
};

const CONNECTIONS = 20;

/** Starts a broker. It serves when this resolves, and until it is disposed of. */
export async function startBroker(
  config: BrokerConfig,
  deps: Partial<BrokerDeps> = {},
): Promise<BrokerService> {
  const host: BrokerDeps = { clock: deps.clock ?? systemClock(), log: deps.log ?? createLog("broker") };
  await using owned = new AsyncDisposableStack();
  const { key, certificate: cert, authority: ca } = config.identity;
  const { log } = host;
  const { address } = config.listen;
  const identity = owned.use(await openServiceIdentity({ key, cert, ca }, { address, now: realTime, log }));
  owned.use(startConcerns(log, (now) => identity.concerns(now)));
  await migrate(config.database, SCHEMA, host.log);
  const database = owned.use(openBrokerDatabase(config.database, host.log));
  const ports = { plain: 0, tls: 0, web: 0 };
  const self = (): BrokerSelf => ({ ports, broker: identity.name, version: packageJson.version });
  const desk = await openDesk(config, host, { database, identity }, owned);
  const server = owned.use(
    await serveApi(config, host, identity, { ...desk, database, clock: host.clock, self }),
  );
  identity.follow((tls) => server.renew(serverTlsOptions(tls)));
  const selfAndConcerns = () => ({
    ...self(),
    concerns: [...identity.concerns(realTime()), ...desk.revocations.concerns(host.clock.now())],
  });
  const web = owned.use(await servePage(config, host, desk, { database, identity }, selfAndConcerns));
  identity.follow((tls) => web.renew(serverTlsOptions(tls)));
  Object.assign(ports, { plain: server.plainPort ?? 0, tls: server.port, web: web.port });

  const kept = owned.move();
  return {
    announce: { ...servedPlaces(server, web), broker: identity.name },
    scan: () => desk.jobs.scan(),
    poll: () => desk.revocations.poll(),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** The broker's own database. */
export function openBrokerDatabase(url: string, log?: Log): Database {
  return openDatabase(url, { schema: SCHEMA, log, connections: CONNECTIONS, settings: { jit: "off" } });
}

/** What works on what was written down. */
type Desk = Pick<BrokerParts, "agents" | "intake" | "news" | "nudge"> & {
  readonly jobs: Jobs;
  readonly pursuit: Pursuit;
  readonly clearing: Clearing;
  readonly revocations: BrokerRevocations;
};

async function openDesk(
  config: BrokerConfig,
  { clock, log }: BrokerDeps,
  { database, identity }: { readonly database: Database; readonly identity: ServiceIdentity },
  owned: AsyncDisposableStack,
): Promise<Desk> {
  const ending = new AbortController();
  const connections = owned.use(connectionsOf(identity));
  identity.renewWith(({ csr }) => renewedByAny(config.agents, connections, csr));
  const agents = new KnownAgents({
    ...{ agents: config.agents, connections, clock, signal: ending.signal },
    deadlineMs: config.agent_seconds * 500, // half for advertisements, half for tickets
    adsMs: config.ads_seconds * 1000,
  });
  const news = new News();
  owned.use(
    await listenForNotifications({
      ...{ url: config.database, channel: NEWS_CHANNEL, log },
      onMessage: (id) => news.tell(id),
      onGap: () => news.tellAll(),
    }),
  );
  const worker = `${hostname()} ${process.pid} ${randomBytes(6).toString("hex")}`;
  const { scan_seconds: first, retry_seconds: longest } = config;
  const waits = { first: Math.min(first, longest), longest };
  const common = { database, agents, clock, log, waits };
  const pursuit = new Pursuit({ ...common, worker, claimSeconds: config.claim_seconds });
  const clearing = new Clearing({ ...common, unfetchedSeconds: config.unfetched_seconds });
  const jobs = owned.use(
    await Jobs.start({
      ...{ database, pursuit, clearing, log },
      on: config.redis ? { redis: config.redis } : { postgres: config.database, schema: QUEUE_SCHEMA },
      atOnce: config.working_at_once,
      scanSeconds: config.scan_seconds,
      stop: () => ending.abort(new Error("the broker is ending")),
    }),
  );
  const revocations = owned.use(
    await startRevocations(config, { identity, database, connections, clock, log }),
  );
  owned.use(startConcerns(log, () => revocations.concerns(clock.now())));
  const limits = { atOnce: config.acquisitions_at_once, kept: config.acquisitions_kept };
  const intake = new Intake({ database, agents, broker: identity.name, limits });
  const nudge = (id: string) => void jobs.nudge(id);
  return { agents, intake, news, jobs, pursuit, clearing, revocations, nudge };
}

function serveApi(
  { listen }: BrokerConfig,
  { clock, log }: BrokerDeps,
  identity: ServiceIdentity,
  { revocations, ...parts }: BrokerParts & Pick<Desk, "revocations">,
): Promise<XmlRpcServer> {
  const { address: host, tls_port, plain_port } = listen;
  return startXmlRpcServer(brokerApi, brokerHandlers(parts), {
    clock,
    log,
    // What a request has brought is found by the request itself, whatever the id of the call.
    replies: { findReply: () => undefined },
    tls: { host, port: tls_port, options: serverTlsOptions(identity.tls) },
    ...(plain_port !== undefined && { plain: { host, port: plain_port } }),
    authenticate: authenticator({ identity, revocations }, realTime),
  });
}

function servePage(
  { listen, administrators }: BrokerConfig,
  { clock, log }: BrokerDeps,
  { agents, pursuit, clearing, news, revocations }: Desk,
  { database, identity }: { readonly database: Database; readonly identity: ServiceIdentity },
  self: () => BrokerSelf & { readonly concerns: readonly string[] },
): Promise<WebServer> {
  const { address, web_port: port, web_names: names, web_tls_port } = listen;
  const secure = securePort(web_tls_port, { identity, revocations }, byCertificate(administrators));
  return startWeb({
    ...{ address, port, names, secure, database, clock, log },
    self: () => ({ ...self(), agents: agents.addresses }),
    work: () => ({ ...pursuit.counts, ...clearing.counts, ...agents.counts, waiting: news.waiting }),
  });
}
