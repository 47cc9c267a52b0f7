import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { NodeManagerConfig } from "#services/node-manager/config.ts";
import { type NodeManager, startNodeManager } from "#services/node-manager/service.ts";
import type { Lease } from "#shared/model/lease.ts";
import type { Share } from "#shared/model/resources.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { openLease } from "#shared/wire/lease-document.ts";
import { nodeManagerApi } from "#shared/wire/node-manager-api.ts";
import { type XmlRpcClient, xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import type { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { type TestIdentity, writeIdentity } from "#test/support/authority.ts";
import type { FixedClock } from "#test/support/clock.ts";
import { ownPorts } from "#testbed/own-port.ts";
import { type LocalBackend, localBackend } from "./local-backend.ts";

/** A real node manager in this process, over slivers that are processes of this machine. */
export type SliceLabNode = {
  readonly name: string;
  readonly ip: string;
  readonly identity: TestIdentity;
  readonly backend: LocalBackend;
  /** The directory of its store and its ssh host key. */
  readonly state: string;
  /** Throws while it is stopped. */
  readonly manager: NodeManager;
  /** Calls it as alice. */
  readonly client: XmlRpcClient<typeof nodeManagerApi>;
  /** Leases that live there, as anybody sees them. */
  leases(): Promise<Lease[]>;
  stop(): Promise<void>;
  start(): Promise<void>;
};

const SHARE: Share = { cpuMillis: 4000, memoryMib: 4096, diskMib: 20_000, egressKbps: 100_000, slivers: 20 };

type NodeTerms = {
  readonly identity: TestIdentity;
  readonly ip: string;
  readonly state: string;
  readonly clock: FixedClock;
  readonly connections: Connections;
  readonly agent: Omit<NodeManagerConfig["agents"][number], "share">;
  readonly share?: Partial<Share>;
};

/** A node that is not started yet. */
export async function labNode({
  identity,
  ip,
  state,
  clock,
  connections,
  agent,
  share,
}: NodeTerms): Promise<SliceLabNode> {
  const capacity = { ...SHARE, ...share };
  const config: NodeManagerConfig = {
    ...{ ip, host: ip, state: join(state, "state"), capacity },
    identity: await writeIdentity(state, "node", identity.tls),
    // When it starts again it is found where it was.
    ports: await ownPorts({ tls: 0, web: 0, ssh: 0 }),
    engines: ["simulated"],
    agents: [{ ...agent, share: capacity }],
    leasablePorts: [{ protocol: "tcp", from: 1024, to: 65_535 }],
    reservedPorts: [],
  };
  const backend = localBackend(await made(join(state, "slivers")));
  let manager: NodeManager | undefined;
  const node: SliceLabNode = {
    ...{ name: identity.name, ip, identity, backend, state: config.state },
    get manager() {
      if (!manager) throw new Error(`node ${ip} is stopped`);
      return manager;
    },
    get client() {
      return xmlRpcClient(nodeManagerApi, {
        url: node.manager.url,
        connections,
        expectedPeer: identity.name,
      });
    },
    async leases() {
      return (await node.client.getleases()).map((text) => openLease(text, identity.signingKey.public));
    },
    async stop() {
      await manager?.[Symbol.asyncDispose]();
      manager = undefined;
    },
    async start() {
      const fail = (error: unknown): never => {
        throw error;
      };
      manager = await startNodeManager(config, { log: silentLog(), fail, clock, engines: [backend] });
    },
  };
  return node;
}

/** A directory of its owner's alone, there when this resolves. */
export async function made(path: string): Promise<string> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  return path;
}
