import { join } from "node:path";
import type { NodeManagerConfig } from "#services/node-manager/config.ts";
import type { Deadlines } from "#services/node-manager/deadline.ts";
import type { Engines } from "#services/node-manager/engines/engines.ts";
import { type NodeManager, startNodeManager } from "#services/node-manager/service.ts";
import type { TlsCredentials } from "#shared/identity/identity.ts";
import { newSshKeyPair } from "#shared/identity/ssh-key.ts";
import { clientTlsOptions } from "#shared/identity/tls.ts";
import type { Lease } from "#shared/model/lease.ts";
import type { Share } from "#shared/model/resources.ts";
import type { EngineName, Holding, SliceTicket } from "#shared/model/ticket.ts";
import { createLog } from "#shared/runtime/log.ts";
import { openLease } from "#shared/wire/lease-document.ts";
import { nodeManagerApi } from "#shared/wire/node-manager-api.ts";
import { type XmlRpcClient, xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { type TestAuthority, type TestIdentity, writeIdentity } from "#test/support/authority.ts";
import { type FixedClock, fixedClock } from "#test/support/clock.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import {
  type HoldingOverrides,
  KEYS,
  NOW,
  type Sealed,
  type SliceTicketOverrides,
  sealedHolding,
  sealedSliceTicket,
  serial,
} from "#test/support/documents.ts";
import { runAuthority } from "#test/support/run-authority.ts";
import { type ListeningAgent, listeningAgent } from "./agent.ts";
import { type FaultyBackend, faultyBackend } from "./faulty-backend.ts";
import { dumpStore } from "./store-dump.ts";

export type NodeClient = XmlRpcClient<typeof nodeManagerApi>;

/** A node manager under test: the real thing on loopback, with a clock, an engine and an agent in the test's hands. */
export type NodeLab = AsyncDisposable & {
  readonly authority: TestAuthority;
  readonly clock: FixedClock;
  readonly backend: FaultyBackend;
  readonly agent: ListeningAgent;
  readonly agentIdentity: TestIdentity;
  readonly alice: NodeClient;
  /** What TLS shows of the people whose clients these are. */
  readonly credentials: { readonly alice: TlsCredentials; readonly bob: TlsCredentials };
  /** Whoever administers the node, as its configuration says. */
  readonly administrator: TlsCredentials;
  readonly bob: NodeClient;
  readonly state: string;
  readonly config: NodeManagerConfig;
  /** Those of the configuration; what a test changes counts from the next start. */
  readonly agents: { identity: string; url: string; share: Share }[];
  /** Those of the configuration; what a test changes counts from the next start, where they are `configured`. */
  readonly engines: [EngineName, ...EngineName[]];
  readonly node: NodeManager;
  /** What was handed to `fail`. */
  readonly failures: unknown[];
  /** Lines of the node manager's log. */
  readonly logged: string[];
  clientOf(identity: TestIdentity): NodeClient;
  /** The agent's root at this node. */
  root(): Promise<Sealed<Holding>>;
  /** A ticket for alice out of the root, made unlike every other by its serial. */
  ticket(overrides?: SliceTicketOverrides, parent?: Sealed<Holding>): Promise<Sealed<SliceTicket>>;
  /** A holding for the branch's key out of the root or another one, for 30 days from now. */
  holding(overrides?: HoldingOverrides, parent?: Sealed<Holding>): Promise<Sealed<Holding>>;
  lease(document: string): Lease;
  /** The store's contents but for the audit. */
  dump(): string;
  /** Ends the node manager; with `start`, another one on the same state and machine. */
  stop(): Promise<void>;
  start(): Promise<void>;
  restart(): Promise<void>;
};

export type NodeLabOptions = {
  readonly config?: Partial<NodeManagerConfig>;
  /** The engines are those of the configuration, not `backend`. */
  readonly configured?: true;
  readonly deadlines?: Deadlines;
  readonly at?: number;
  /** Used instead of `backend`, which then has nothing to do. */
  readonly engines?: Engines;
  /** What the node gives away; all of it to the agent. */
  readonly capacity?: Share;
  readonly conntrack?: readonly [string, ...string[]];
};

export const CAPACITY = {
  cpuMillis: 8000,
  memoryMib: 16_384,
  diskMib: 100_000,
  egressKbps: 100_000,
  slivers: 64,
};
const QUICK: Deadlines = { answerMs: 5_000, ensureMs: 10_000, engineMs: 10_000 };

export async function nodeLab(options: NodeLabOptions = {}): Promise<NodeLab> {
  const authority = await runAuthority();
  const directory = await temporaryDirectory();
  const [server, alice, bob, agentIdentity] = await Promise.all([
    authority.server("node", undefined, { key: KEYS.node }),
    authority.client("alice", { key: KEYS.alice }),
    authority.client("bob", { key: KEYS.bob }),
    authority.server("agent"),
  ]);
  const agent = await listeningAgent(agentIdentity);
  const state = join(directory.path, "state");
  const capacity = options.capacity ?? CAPACITY;
  const agents = [{ identity: agent.identity, url: agent.url, share: capacity }];
  const engines: [EngineName, ...EngineName[]] = ["simulated"];
  const config: NodeManagerConfig = {
    ...{ ip: "127.0.0.1", host: "127.0.0.1", state },
    identity: await writeIdentity(directory.path, "node", server.tls),
    ports: { tls: 0, plain: 0, web: 0, web_tls: 0, ssh: 0 },
    engines,
    capacity,
    agents,
    administrators: [agentIdentity.name],
    leasablePorts: [{ protocol: "tcp", from: 1024, to: 65_535 }],
    reservedPorts: [{ protocol: "tcp", from: 9100, to: 9199 }],
    ...options.config,
  };
  const clock = fixedClock(options.at ?? NOW);
  const backend = faultyBackend();
  const connections = new Map<TestIdentity, Connections>();
  const failures: unknown[] = [];
  const logged: string[] = [];
  let node: NodeManager | undefined;
  let serials = 0;

  function clientOf(identity: TestIdentity): NodeClient {
    const shared = connections.get(identity) ?? new Connections(clientTlsOptions(identity.tls));
    connections.set(identity, shared);
    // A restarted node manager is somewhere else: the address is looked up with every call.
    const methods = Object.keys(nodeManagerApi).map((name) => [
      name,
      (...args: unknown[]) => {
        const client = xmlRpcClient(nodeManagerApi, { url: lab.node.url, connections: shared });
        return (client[name as keyof NodeClient] as (...args: unknown[]) => unknown)(...args);
      },
    ]);
    return Object.fromEntries(methods) as NodeClient;
  }

  const lab: NodeLab = {
    ...{
      authority,
      clock,
      backend,
      agent,
      agentIdentity,
      agents,
      engines,
      state,
      config,
      failures,
      logged,
      clientOf,
    },
    alice: clientOf(alice),
    credentials: { alice: alice.tls, bob: bob.tls },
    administrator: agentIdentity.tls,
    bob: clientOf(bob),
    get node() {
      if (!node) throw new Error("the node manager is not running");
      return node;
    },
    root: () => agent.root(),
    async ticket(overrides = {}, parent) {
      const number = ++serials;
      const validity = { start: clock.now(), end: clock.now() + 3600 };
      const term = { start: clock.now(), end: clock.now() + 86_400 };
      return sealedSliceTicket(parent ?? (await agent.root()), {
        ...{ serial: serial(1000 + number), validity, term, renewableUntil: term.start + 2 * 86_400 },
        ...overrides,
      });
    },
    async holding(overrides = {}, parent) {
      const number = ++serials;
      const month = { start: clock.now(), end: clock.now() + 30 * 86_400 };
      return sealedHolding(parent ?? (await agent.root()), {
        ...{ serial: serial(1000 + number), validity: month, term: month },
        ...overrides,
      });
    },
    lease: (document) => openLease(document, KEYS.node.public),
    dump: () => dumpStore(state),
    async stop() {
      await node?.[Symbol.asyncDispose]();
      node = undefined;
    },
    async start() {
      const fail = (error: unknown): never => {
        failures.push(error);
        throw error;
      };
      const log = createLog("node", { write: (line) => logged.push(line) });
      node = await startNodeManager(config, {
        ...{ log, fail, clock, deadlines: options.deadlines ?? QUICK },
        conntrack: options.conntrack,
        engines: options.configured ? undefined : (options.engines ?? [backend]),
      });
    },
    async restart() {
      await lab.stop();
      await lab.start();
    },
    async [Symbol.asyncDispose]() {
      for (const shared of connections.values()) shared[Symbol.dispose]();
      if (process.env.NODE_LAB_LOG) process.stderr.write(logged.join(""));
      await lab.stop();
      await agent[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
  try {
    await lab.start();
  } catch (error) {
    await lab[Symbol.asyncDispose]();
    throw error;
  }
  return lab;
}

/** A fresh SSH public key, as its owner would send it. */
export function sshKey(): string {
  return newSshKeyPair().publicKey;
}
