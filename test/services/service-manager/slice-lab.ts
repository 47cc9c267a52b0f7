import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "smol-toml";
import type { AgentConfig } from "#services/agent/config.ts";
import { Registry } from "#services/agent/registry/registry.ts";
import { type AgentService, openAgentDatabase, startAgent } from "#services/agent/service.ts";
import { clientTlsOptions } from "#shared/identity/tls.ts";
import type { Capability } from "#shared/model/capability.ts";
import type { Share } from "#shared/model/resources.ts";
import { type Clock, systemClock } from "#shared/runtime/clock.ts";
import type { Database } from "#shared/runtime/database.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { agentApi } from "#shared/wire/agent-api.ts";
import { type XmlRpcClient, xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { type TestAuthority, type TestIdentity, writeIdentity } from "#test/support/authority.ts";
import { type FixedClock, fixedClock } from "#test/support/clock.ts";
import { testDatabase } from "#test/support/database.ts";
import { eventually } from "#test/support/deadline.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { runAuthority } from "#test/support/run-authority.ts";
import { ownPorts } from "#testbed/own-port.ts";
import { quietConfig } from "../agent/quiet-config.ts";
import { labNode, made, type SliceLabNode } from "./lab-node.ts";
import { endProcessesIn } from "./local-backend.ts";
import { type Ran, runSlice } from "./run-slice.ts";

/** A real agent and real node managers in this process, and people who use the `slice` command. */
export type SliceLab = AsyncDisposable & {
  readonly clock: FixedClock;
  readonly authority: TestAuthority;
  readonly agent: AgentService;
  readonly agentConfig: AgentConfig;
  readonly agentClient: XmlRpcClient<typeof agentApi>;
  readonly database: Database;
  readonly registry: Registry;
  readonly nodes: readonly SliceLabNode[];
  readonly alice: TestIdentity;
  /** Certified, and not known to the agent. */
  readonly bob: TestIdentity;
  /** Alice's $SLICELAB_HOME, and a directory of hers for files. */
  readonly home: string;
  readonly files: string;
  /** Runs a command line of alice's, here in this process. */
  slice(...argv: string[]): Promise<Ran>;
  /** The same with something else about it. */
  sliceWith(terms: { home?: string; signal?: AbortSignal }, ...argv: string[]): Promise<Ran>;
  /** Whose key alice's home is configured with from now on. */
  become(who: "alice" | "bob"): Promise<void>;
  /** What the agent's books count, of every slice. */
  charges(): Promise<{ slice: string; node: string }[]>;
  /** Ends every process that has this sliver's home. */
  endProcesses(home: string): Promise<void>;
  stopAgent(): Promise<void>;
  startAgent(): Promise<void>;
};

export type SliceLabOptions = {
  readonly nodes?: number;
  readonly share?: Partial<Share>;
  readonly agent?: Partial<AgentConfig>;
  readonly sites?: readonly string[];
  /** Capabilities of administrative slices that nodes let the agent hand out, and alice a privilege for. */
  readonly administrative?: readonly Capability[];
  /** For commands that run as processes of their own: the clock then is the machine's, and cannot be moved. */
  readonly realTime?: boolean;
};

const people = lazily(async () => {
  const authority = await runAuthority();
  const [server, alice, bob] = await Promise.all([
    authority.server("agent"),
    authority.client("alice"),
    authority.client("bob"),
  ]);
  return { authority, server, alice, bob, nodes: [] as TestIdentity[] };
});

async function nodeIdentities(count: number): Promise<readonly TestIdentity[]> {
  const { authority, nodes } = await people();
  const missing = Array.from({ length: Math.max(0, count - nodes.length) }, (_, at) =>
    authority.server(`node${nodes.length + at}`),
  );
  nodes.push(...(await Promise.all(missing)));
  return nodes.slice(0, count);
}

export async function sliceLab(options: SliceLabOptions = {}): Promise<SliceLab> {
  await using owned = new AsyncDisposableStack();
  const { authority, server, alice, bob } = await people();
  const clock = options.realTime ? unmovable(systemClock()) : fixedClock(systemClock().now());
  const directory = owned.use(await temporaryDirectory()).path;
  const { url } = owned.use(await testDatabase());
  const database = owned.use(openAgentDatabase(url));

  const quiet = await quietConfig(await made(join(directory, "agent")), server, url);
  const agentConfig: AgentConfig = {
    ...quiet,
    listen: await ownPorts(quiet.listen),
    default_resources: { ...quiet.default_resources, egress_kbps: 0 },
    ...options.agent,
  };
  let agent: AgentService | undefined = await startAgent(agentConfig, {
    clock,
    log: silentLog(),
    cancelTimeoutMs: 5000,
  });
  owned.defer(() => agent?.[Symbol.asyncDispose]());
  const agentUrl = agent.announce.tls;
  const registry = new Registry(database, clock);
  await registry.addPrincipal({ label: "alice", role: "researcher", certificate: alice.certPem });
  if (options.administrative) {
    const terms = { maxNodes: 10, maxLeaseSeconds: 14 * 86_400, maxRenewableSeconds: 28 * 86_400 };
    const { administrative: capabilities } = options;
    await registry.grant("alice", { ...terms, sliceType: "administrative", capabilities });
  }

  const home = await made(join(directory, "alice"));
  const files = await made(join(directory, "files"));
  async function configure(name: string, { tls }: TestIdentity): Promise<void> {
    const own = await writeIdentity(home, name, tls);
    const agents = [{ url: agentUrl, identity: server.name }];
    const config = { authority: own.ca, key: own.key, certificate: own.cert, agents };
    await writeFile(join(home, "config.toml"), stringify(config));
  }
  await configure("alice", alice);

  const connections = owned.use(new Connections(clientTlsOptions(alice.tls)));
  const agentClient = xmlRpcClient(agentApi, { url: agentUrl, connections, expectedPeer: server.name });
  const identities = await nodeIdentities(options.nodes ?? 3);
  const nodes: SliceLabNode[] = [];
  for (const [at, identity] of identities.entries()) {
    const ip = `127.0.7.${at + 1}`;
    const site = options.sites?.[at];
    if (site !== undefined && options.sites?.indexOf(site) === at) await registry.addSite(site);
    await registry.addNode({ label: `node${at}`, certificate: identity.certPem, ip, ...(site && { site }) });
    const state = await made(join(directory, `node${at}`));
    const { administrative } = options;
    const agentOfNode = { identity: server.name, url: agentUrl, ...(administrative && { administrative }) };
    const node = await labNode({
      identity,
      ip,
      state,
      clock,
      connections,
      agent: agentOfNode,
      share: options.share,
    });
    nodes.push(node);
  }
  owned.defer(async () => {
    await Promise.all(
      nodes.map(async (node) => {
        await node.stop();
        await node.backend[Symbol.asyncDispose]();
      }),
    );
  });
  await Promise.all(nodes.map((node) => node.start()));
  await eventually(async () => (await agentClient.getads()).length === nodes.length, {
    what: "all nodes being advertised",
  });

  const sliceWith = (terms: { home?: string; signal?: AbortSignal }, ...argv: string[]) =>
    runSlice(argv, { env: { SLICELAB_HOME: terms.home ?? home }, clock, signal: terms.signal });

  const kept = owned.move();
  return {
    ...{
      clock,
      authority,
      agentConfig,
      agentClient,
      database,
      registry,
      nodes,
      alice,
      bob,
      home,
      files,
      sliceWith,
    },
    get agent() {
      if (!agent) throw new Error("the agent is stopped");
      return agent;
    },
    slice: (...argv) => sliceWith({}, ...argv),
    become: (who) => configure(who, who === "alice" ? alice : bob),
    charges: () => database.rows("select slice, node from charges order by slice, node"),
    endProcesses: endProcessesIn,
    async stopAgent() {
      await agent?.[Symbol.asyncDispose]();
      agent = undefined;
    },
    async startAgent() {
      agent = await startAgent(agentConfig, { clock, log: silentLog(), cancelTimeoutMs: 5000 });
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function unmovable(clock: Clock): FixedClock {
  const refuse = () => {
    throw new TypeError("this clock is the machine's own");
  };
  return { ...clock, advance: refuse, set: refuse };
}

function lazily<T>(make: () => Promise<T>): () => Promise<T> {
  let value: Promise<T> | undefined;
  return () => {
    value ??= make();
    return value;
  };
}
