import { randomBytes } from "node:crypto";
import type { BrokerConfig } from "#services/broker/config.ts";
import { type BrokerService, openBrokerDatabase, startBroker } from "#services/broker/service.ts";
import { clientTlsOptions } from "#shared/identity/tls.ts";
import { plainDescription, type SliceDescription } from "#shared/model/slice-description.ts";
import type { Database } from "#shared/runtime/database.ts";
import { createLog, silentLog } from "#shared/runtime/log.ts";
import { brokerApi } from "#shared/wire/broker-api.ts";
import { describedRequest, sealRequest } from "#shared/wire/request-document.ts";
import { type XmlRpcClient, xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { ownPorts } from "#testbed/own-port.ts";
import { type TestIdentity, writeIdentity } from "../../support/authority.ts";
import { testDatabase } from "../../support/database.ts";
import { temporaryDirectory } from "../../support/directory.ts";
import { NOW } from "../../support/documents.ts";
import { type AgentLab, agentLab, type LabOptions } from "../agent/agent-lab.ts";
import { SMALL } from "./advertisements.ts";

export type BrokerClient = XmlRpcClient<typeof brokerApi>;

/** A broker, a real agent it asks, and people who ask the broker; all clocks stand still. */
export type BrokerLab = AsyncDisposable & {
  readonly agentLab: AgentLab;
  /** The agent's identity. */
  readonly agent: string;
  readonly identity: TestIdentity;
  readonly config: BrokerConfig;
  /** The broker's own database. */
  readonly database: Database;
  readonly broker: BrokerService;
  /** Alice's client. */
  readonly client: BrokerClient;
  clientOf(who: TestIdentity, at?: Announced): BrokerClient;
  /** Another broker on the same database, with the same key. */
  sibling(overrides?: Partial<BrokerConfig>): Promise<BrokerService>;
  /** A request that alice signs for this broker. */
  request(wish?: RequestWish): string;
  stop(): Promise<void>;
  start(): Promise<void>;
};

/** As much of a broker as its clients need. */
type Announced = { readonly announce: { readonly tls: string } };

export type RequestWish = {
  readonly name?: string;
  readonly count?: number;
  readonly atleast?: number;
  readonly standby?: number;
  readonly description?: Partial<SliceDescription>;
  readonly agents?: readonly string[];
  readonly broker?: string;
  readonly serial?: string;
  readonly validTo?: number;
  readonly as?: TestIdentity;
};

export type BrokerLabOptions = {
  readonly agent?: LabOptions;
  readonly config?: Partial<BrokerConfig>;
  /** Another way to the agent than its address. */
  readonly through?: (url: string) => Promise<string>;
  /** Agents besides the real one. */
  readonly others?: readonly { readonly identity: string; readonly url: string }[];
};

export async function brokerLab(options: BrokerLabOptions = {}): Promise<BrokerLab> {
  await using owned = new AsyncDisposableStack();
  const agents = owned.use(await agentLab({ deps: { cancelTimeoutMs: 100 }, ...options.agent }));
  const { announce } = agents.agent;
  const identity = await agents.authority.server("broker");
  const directory = owned.use(await temporaryDirectory()).path;
  const files = await writeIdentity(directory, "broker", identity.tls);
  const databaseUrl = owned.use(await testDatabase()).url;
  const url = options.through ? await options.through(announce.tls) : announce.tls;
  const config: BrokerConfig = {
    database: databaseUrl,
    identity: { key: files.key, certificate: files.cert, authority: files.ca },
    listen: await ownPorts({ address: "127.0.0.1", tls_port: 0, web_port: 0, web_tls_port: 0 }),
    administrators: [agents.admin.name],
    agents: [{ identity: announce.agent, url }, ...(options.others ?? [])],
    agent_seconds: 30,
    ads_seconds: 0,
    revocation_seconds: 3600,
    scan_seconds: 3600,
    retry_seconds: 1,
    claim_seconds: 10,
    unfetched_seconds: 300,
    working_at_once: 32,
    acquisitions_at_once: 8,
    acquisitions_kept: 500,
    ...options.config,
  };
  const clients = new DisposableStack();
  owned.defer(() => clients.dispose());
  const begin = (overrides: Partial<BrokerConfig> = {}) =>
    startBroker(
      { ...config, ...overrides },
      { clock: agents.clock, log: process.env.BLOG ? createLog("b", { level: "debug" }) : silentLog() },
    );
  let broker: BrokerService | undefined = await begin();
  owned.defer(() => broker?.[Symbol.asyncDispose]());
  const database = owned.use(openBrokerDatabase(config.database));
  function running(): BrokerService {
    if (!broker) throw new Error("the broker is stopped");
    return broker;
  }
  function clientOf(who: TestIdentity, at: Announced = running()): BrokerClient {
    const connections = clients.use(new Connections(clientTlsOptions(who.tls)));
    return xmlRpcClient(brokerApi, { url: at.announce.tls, connections, expectedPeer: identity.name });
  }
  function request(wish: RequestWish = {}): string {
    const { count = 2, atleast = count, standby = 0, as = agents.alice } = wish;
    const description: SliceDescription = {
      ...plainDescription(wish.name ?? "oceanstore", count),
      nodes: { count, atleast, standby },
      leaseSeconds: 3600,
      resources: SMALL,
      ...wish.description,
    };
    const terms = {
      principal: as.name,
      serial: wish.serial ?? randomBytes(16).toString("hex"),
      broker: wish.broker ?? identity.name,
      agents: wish.agents ?? config.agents.map((agent) => agent.identity),
      validTo: wish.validTo ?? NOW + 3600,
    };
    return sealRequest(describedRequest(terms, description), as.signingKey);
  }
  const client = clientOf(agents.alice);
  const kept = owned.move();
  return {
    ...{ agentLab: agents, agent: announce.agent, identity, config, database, client, clientOf, request },
    get broker() {
      return running();
    },
    async sibling(overrides) {
      const listen = { address: "127.0.0.1", tls_port: 0, web_port: 0, web_tls_port: 0 };
      return await begin({ listen, ...overrides });
    },
    async stop() {
      await broker?.[Symbol.asyncDispose]();
      broker = undefined;
    },
    async start() {
      broker = await begin();
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
