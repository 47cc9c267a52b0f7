import { authenticator } from "#shared/identity/authentication.ts";
import { openServiceIdentity, type ServiceIdentity } from "#shared/identity/service-identity.ts";
import { serverTlsOptions } from "#shared/identity/tls.ts";
import { type Clock, realTime, systemClock } from "#shared/runtime/clock.ts";
import { startConcerns } from "#shared/runtime/concerns.ts";
import type { Host, Running } from "#shared/runtime/lifecycle.ts";
import { securePort } from "#shared/web/secure-port.ts";
import { servedPlaces } from "#shared/web/served-places.ts";
import { byCertificate } from "#shared/web/viewer.ts";
import { agentApi } from "#shared/wire/agent-api.ts";
import { renewedByAny } from "#shared/wire/certificate-api.ts";
import { nodeManagerApi } from "#shared/wire/node-manager-api.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { type Connections, connectionsOf } from "#shared/wire/xmlrpc/connections.ts";
import { startXmlRpcServer } from "#shared/wire/xmlrpc/server.ts";
import packageFile from "../../package.json" with { type: "json" };
import { type ApiDeps, nodeManagerHandlers } from "./api.ts";
import { startSealing } from "./audit/sealing.ts";
import type { NodeManagerConfig } from "./config.ts";
import { DEADLINES, type Deadlines } from "./deadline.ts";
import { openEngines } from "./engines/engine-opening.ts";
import { closeEngines, type Engines } from "./engines/engines.ts";
import { openFlows } from "./flows/flows.ts";
import { grantOf, rootsOfNode } from "./holdings/roots.ts";
import { type Settlement, startSettlement } from "./holdings/settlement.ts";
import { descriptionOf, factsOf, keptPorts, type Listening, type NodeSelf } from "./listening.ts";
import { openNodeStore } from "./node-store.ts";
import { type NodeTime, nodeTime } from "./node-time.ts";
import { openOwnersDoor } from "./owner/owner-door.ts";
import { startWeb } from "./pages/web.ts";
import { type Reconciler, startReconciler } from "./reconciler.ts";
import { auditOfRefusals } from "./refusals.ts";
import { askAgents } from "./revocation/agents.ts";
import type { EndingDeps } from "./revocation/ending.ts";
import { OwnList } from "./revocation/own-list.ts";
import { Revocations } from "./revocation/revocations.ts";
import { MemoryStorms } from "./slivers/memory-storms.ts";
import { startRevival } from "./slivers/revival.ts";
import { SliverConditions } from "./slivers/sliver-conditions.ts";
import { type Slivers, slivers } from "./slivers/slivers.ts";
import type { SshGateway } from "./ssh/gateway.ts";
import { openGateway } from "./ssh/opening.ts";
import type { Store } from "./store.ts";
import { startUsageFeeds } from "./usage/feeds.ts";
import { NodePast } from "./usage/node-past.ts";

/** What a node manager takes from the process it runs in; a test gives more. */
export type NodeManagerDeps = Host & {
  /** The machine's own unless given. */
  readonly clock?: Clock;
  /** Those of the configuration unless given. */
  readonly engines?: Engines;
  readonly deadlines?: Deadlines;
  /** What runs conntrack; the machine's own unless given. */
  readonly conntrack?: readonly [string, ...string[]];
};

/** A node manager that serves. Disposing of it leaves slivers running; the next one adopts them. */
export type NodeManager = Running & {
  readonly node: string;
  readonly url: string;
  readonly plainUrl?: string;
  readonly webUrl: string;
  /** The pages for those with certificates, where they are. */
  readonly secureWebUrl?: string;
  readonly sshPort: number;
  /** 0: there is no such feed. */
  readonly slicestatPort: number;
  readonly reconciler: Reconciler;
};

/** What everything else stands on. */
type Ground = {
  readonly config: NodeManagerConfig;
  readonly self: NodeSelf;
  readonly identity: ServiceIdentity;
  readonly store: Store;
  readonly engines: Engines;
  readonly clock: Clock;
  readonly time: NodeTime;
  readonly deadlines: Deadlines;
  readonly conditions: SliverConditions;
  readonly revocations: Revocations;
  readonly ownList: OwnList;
  /** What becomes of leases that are revoked. */
  readonly policy: EndingDeps["policy"];
  readonly log: Host["log"];
};

/**
 * Starts the node manager of one node. Throws, having touched no sliver, when its configuration, keys or store are not
 * as they must be (RELIABILITY I10). What it builds is disposed of in the opposite order.
 */
export async function startNodeManager(
  config: NodeManagerConfig,
  deps: NodeManagerDeps,
): Promise<NodeManager> {
  await using parts = new AsyncDisposableStack();
  const ground = await openGround(config, deps, parts);
  const gateway = parts.use(await openGateway(ground));
  const listening = { tls: 0, plain: 0, web: 0, web_tls: 0, ssh: gateway.port, slicestat: 0 };
  const settlements: Settlement[] = [];
  const onNews = () => {
    for (const settlement of settlements) settlement.nudge();
  };
  const work = parts.use(slivers({ ...ground, onNews, onGone: (slice) => gateway.disconnect(slice) }));
  const onFewerKeys = (slice: string) => gateway.expel(slice);
  const reconciler = parts.use(startReconciler({ ...ground, slivers: work, onFewerKeys }));
  parts.use(startRevival({ ...ground, slivers: work, uptime: ground.clock.uptime }));
  const api = useCases(ground, { gateway, slivers: work, listening, onNews });

  const past = await NodePast.open(config.state, ground.log);
  const page = parts.use(await openPage(ground, settlements, past));
  ground.identity.follow((tls) => page.renew(serverTlsOptions(tls)));
  Object.assign(listening, { web: page.port, web_tls: page.securePort ?? 0 });
  listening.slicestat = parts.use(await openFeeds(ground, past, work)).slicestat;
  const server = parts.use(await openServer(ground, api));
  ground.identity.follow((tls) => server.renew(serverTlsOptions(tls)));
  Object.assign(listening, { tls: server.port, plain: server.plainPort ?? 0 });
  const connections = parts.use(connectionsOf(ground.identity));
  connections.heed(ground.revocations.isRevoked);
  const { roots } = api.redemption;
  settlements.push(...openSettlements(ground, { parts, connections, listening, roots, onFewerKeys }));
  parts.use(askAgents({ ...ground, connections, slivers: work, onFewerKeys }));

  const flows = parts.use(openFlows({ ...ground, state: config.state, conntrack: deps.conntrack }));
  await openOwnersDoor({ ...ground, slivers: work, flows }, parts);

  const { node, ip } = ground.self;
  const { url, plainUrl } = server;
  const { ssh, slicestat } = listening;
  const { url: webUrl, secureUrl: secureWebUrl } = page;
  const whole = parts.move();
  return {
    ...{ node, url, plainUrl, webUrl, secureWebUrl, sshPort: ssh, slicestatPort: slicestat, reconciler },
    announce: { node, ip, ...servedPlaces(server, page), ssh, slicestat },
    async [Symbol.asyncDispose]() {
      // At once, so that callers who wait for a sliver are told to come back instead of holding everything up.
      const ended = work[Symbol.asyncDispose]();
      await whole.disposeAsync();
      await ended;
    },
  };
}

async function openGround(
  config: NodeManagerConfig,
  { log, fail, ...deps }: NodeManagerDeps,
  parts: AsyncDisposableStack,
): Promise<Ground> {
  const clock = deps.clock ?? systemClock();
  const terms = { address: config.host, now: realTime, log };
  const identity = parts.use(await openServiceIdentity(config.identity, terms));
  parts.use(startConcerns(log, (now) => identity.concerns(now)));
  const store = parts.use(await openNodeStore(config, { identity, clock, fail }));
  const key = identity.signingKey;
  parts.use(startSealing({ store, key, now: () => clock.now() }));
  const engines = deps.engines ?? (await openEngines(config, { identity, clock, store, log }));
  parts.defer(() => closeEngines(engines));
  for (const { engine, notes = [] } of engines.map(({ statement }) => statement)) {
    for (const note of notes) log.warn({ engine }, note);
  }
  const time = parts.use(nodeTime(clock, store, log));
  const self = { node: identity.name, ip: config.ip, version: packageFile.version };
  const { deadlines = DEADLINES } = deps;
  const revocations = new Revocations({
    ...{ store, time, authorities: () => identity.trust.keys },
    agents: config.agents.map((agent) => agent.identity),
    overdue: config.overdueRevocations ?? "warn",
  });
  parts.use(startConcerns(log, () => revocations.concerns()));
  identity.follow(() => revocations.load());
  return {
    config,
    self,
    identity,
    store,
    engines,
    clock,
    time,
    deadlines,
    conditions: new SliverConditions(),
    revocations,
    ownList: new OwnList({ store, key, time }),
    policy: config.revokedLeases ?? "end",
    log,
  };
}

type CaseNeeds = {
  readonly gateway: SshGateway;
  readonly slivers: Slivers;
  readonly listening: Listening;
  readonly onNews: () => void;
};

function useCases(ground: Ground, { gateway, slivers, listening, onNews }: CaseNeeds): ApiDeps {
  const { config, self, store, engines } = ground;
  const identity = ground.identity.signingKey;
  const grants = config.agents.map(grantOf);
  const roots = rootsOfNode({ ...ground, identity, grants, ip: config.ip, ports: config.leasablePorts });
  const limits = {
    capacity: config.capacity,
    get reservedPorts() {
      return keptPorts(config.reservedPorts, listening);
    },
  };
  const onFewerKeys = (slice: string) => gateway.expel(slice);
  const common = { ...ground, identity, roots, limits, slivers, onNews, onFewerKeys };
  return {
    store,
    description: () => descriptionOf(self, listening, engines),
    redemption: {
      ...common,
      sshOf: (slice) => ({ host: config.ip, port: gateway.port, user: slice, hostKey: gateway.publicKey }),
    },
    renewal: common,
    deletion: common,
    cancellation: common,
    keys: common,
    status: common,
    revocation: common,
  };
}

function openPage(ground: Ground, settlements: readonly Settlement[], past: NodePast) {
  const { config, self, store, conditions, engines, time, log } = ground;
  return startWeb({
    ...{ address: config.host, port: config.ports.web, names: config.webNames, past, now: time.now, log },
    secure: securePort(config.ports.web_tls, ground, byCertificate(config.administrators)),
    view: () => ({
      ...{ self, store, conditions, capacity: config.capacity },
      engines: engines.map(({ statement, retired, trouble }) => ({ ...statement, retired, trouble })),
      ...{ now: time.now, clockIsSure: time.sure },
      concerns: () => [...ground.identity.concerns(realTime()), ...ground.revocations.concerns()],
      settlements: () => settlements.map(({ state }) => state),
    }),
  });
}

function openFeeds(ground: Ground, past: NodePast, slivers: Slivers) {
  const { config, self, store, clock } = ground;
  const storms = new MemoryStorms({ ...ground, slivers, uptime: clock.uptime });
  const { host, ip, capacity, ports, monitor } = config;
  return startUsageFeeds({
    ...{ ...ground, past },
    ...{ node: self.node, now: clock.now, uptime: clock.uptime, live: () => store.leases.inState("live") },
    onUsage: (sliver, usage) => storms.look(sliver, usage),
    slicestat: { host, port: ports.slicestat, node: { ip, capacity } },
    monitor,
  });
}

function openServer({ config, identity, clock, log, store, time, revocations }: Ground, api: ApiDeps) {
  const { host, ports } = config;
  return startXmlRpcServer(nodeManagerApi, nodeManagerHandlers(api), {
    tls: { host, port: ports.tls, options: serverTlsOptions(identity.tls) },
    plain: ports.plain === undefined ? undefined : { host, port: ports.plain },
    authenticate: authenticator({ identity, revocations }, realTime),
    ...{ clock, log, replies: store.replies, onRefusal: auditOfRefusals({ store, time }) },
  });
}

type SettlementNeeds = {
  readonly parts: AsyncDisposableStack;
  readonly connections: Connections;
  readonly listening: Listening;
  readonly roots: ApiDeps["redemption"]["roots"];
  readonly onFewerKeys: (slice: string) => void;
};

function openSettlements(
  ground: Ground,
  { parts, connections, listening, roots, onFewerKeys }: SettlementNeeds,
): Settlement[] {
  const { config, self, identity, engines } = ground;
  if (config.agents.length > 0)
    identity.renewWith(({ csr }) => renewedByAny(config.agents, connections, csr));
  return config.agents.map((agent) => {
    const client = xmlRpcClient(agentApi, { url: agent.url, connections, expectedPeer: agent.identity });
    const facts = () => factsOf(self, listening, engines, keptPorts(config.reservedPorts, listening));
    const common = { ...ground, roots, client, facts, onFewerKeys };
    return parts.use(startSettlement({ ...common, grant: grantOf(agent) }));
  });
}
