import assert from "node:assert/strict";
import type { AgentConfig } from "#services/agent/config.ts";
import { Registry } from "#services/agent/registry/registry.ts";
import { type AgentDeps, type AgentService, openAgentDatabase, startAgent } from "#services/agent/service.ts";
import { publicKeyFromSpki } from "#shared/identity/key.ts";
import { clientTlsOptions } from "#shared/identity/tls.ts";
import { Fault, type FaultName } from "#shared/model/errors.ts";
import type { Share } from "#shared/model/resources.ts";
import type { Holding, SliceTicket } from "#shared/model/ticket.ts";
import type { Database } from "#shared/runtime/database.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { agentApi } from "#shared/wire/agent-api.ts";
import { type Link, openSliceTicket } from "#shared/wire/chain.ts";
import { type XmlRpcClient, xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { ownPorts } from "#testbed/own-port.ts";
import type { TestAuthority, TestIdentity } from "../../support/authority.ts";
import { type FixedClock, fixedClock } from "../../support/clock.ts";
import { testDatabase } from "../../support/database.ts";
import { eventually } from "../../support/deadline.ts";
import { temporaryDirectory } from "../../support/directory.ts";
import { type HoldingOverrides, NOW, rootTicket, type Sealed, seal } from "../../support/documents.ts";
import { runAuthority } from "../../support/run-authority.ts";
import { FACTS } from "./facts.ts";
import { quietConfig } from "./quiet-config.ts";

export type AgentClient = XmlRpcClient<typeof agentApi>;

/** Somebody with a certificate, and a client of the agent that shows it. */
export type LabPrincipal = TestIdentity & { readonly client: AgentClient };

/** A node as the agent knows it: its key, its registered address, and its client. */
export type LabNode = LabPrincipal & {
  readonly ip: string;
  /** A root ticket of this node to the agent's ticket key. */
  root(overrides?: HoldingOverrides): Sealed<Holding>;
  /** Deposits one (by default `root()`), with facts. */
  deposit(root?: Sealed<Holding>): Promise<Sealed<Holding>>;
};

export type AgentLab = AsyncDisposable & {
  readonly agent: AgentService;
  readonly clock: FixedClock;
  readonly config: AgentConfig;
  readonly authority: TestAuthority;
  /** The agent's own database, to look into and to administer. */
  readonly database: Database;
  readonly registry: Registry;
  readonly alice: LabPrincipal;
  readonly bob: LabPrincipal;
  readonly admin: LabPrincipal;
  readonly nodes: readonly [LabNode, LabNode, ...LabNode[]];
  /** The ticket key that getconfig shows, which roots are given to. */
  readonly ticketKey: Holding["principalKey"];
  client(identity: TestIdentity): AgentClient;
  plainClient(): AgentClient;
  /** Another agent process's worth of agent, on the same database and keys. */
  sibling(): Promise<AsyncDisposable & { client(identity: TestIdentity): AgentClient }>;
  /** Ends the agent and starts it again on the same database and keys. */
  restart(): Promise<void>;
};

export type LabOptions = {
  /** How many nodes; each has deposited its root unless `deposited` is false. At least two. */
  readonly nodes?: number;
  readonly deposited?: boolean;
  /** What each root holds. */
  readonly share?: Partial<Share>;
  /** Nodes at 127.0.1.1 and so on, for those that have to be reached. */
  readonly loopback?: boolean;
  readonly config?: Partial<AgentConfig>;
  readonly deps?: Partial<AgentDeps>;
  /** Of a PostgreSQL of the test's own; by default a database of its own in the shared one. */
  readonly databaseUrl?: string;
};

const people = lazily(async () => {
  const authority = await runAuthority();
  const [server, alice, bob, admin] = await Promise.all([
    authority.server("agent"),
    authority.client("alice"),
    authority.client("bob"),
    authority.client("admin"),
  ]);
  return { authority, server, alice, bob, admin, nodes: [] as TestIdentity[] };
});

/** The authority of every lab of this process, and the identity that its agents have. */
export async function labAuthority(): Promise<{
  readonly authority: TestAuthority;
  readonly agent: TestIdentity;
}> {
  const { authority, server: agent } = await people();
  return { authority, agent };
}

async function nodeIdentities(count: number): Promise<TestIdentity[]> {
  const { authority, nodes } = await people();
  const missing = Array.from({ length: count - nodes.length }, (_, at) =>
    authority.server(`node${nodes.length + at}`),
  );
  nodes.push(...(await Promise.all(missing)));
  return nodes.slice(0, count);
}

/** An agent on a database of its own, that knows alice and bob (researchers), admin and some nodes; its clock stands. */
export async function agentLab(options: LabOptions = {}): Promise<AgentLab> {
  await using owned = new AsyncDisposableStack();
  const { authority, server, ...known } = await people();
  const clock = fixedClock(NOW);
  const clients = new DisposableStack();
  owned.defer(() => clients.dispose());
  const directory = owned.use(await temporaryDirectory());
  const url = options.databaseUrl ?? owned.use(await testDatabase()).url;
  const quiet = await quietConfig(directory.path, server, url);
  const config: AgentConfig = {
    ...quiet,
    listen: { ...quiet.listen, plain_port: 0 },
    ...options.config,
  };
  const deps = { clock, log: silentLog(), ...options.deps };
  const listen = await ownPorts(config.listen);
  const start = () => startAgent({ ...config, listen }, deps);
  let agent = await start();
  owned.defer(() => agent[Symbol.asyncDispose]());
  const database = owned.use(openAgentDatabase(url));
  const registry = new Registry(database, clock);

  function client(identity: TestIdentity, url = agent.announce.tls): AgentClient {
    const connections = clients.use(new Connections(clientTlsOptions(identity.tls)));
    return xmlRpcClient(agentApi, { url, connections, expectedPeer: server.name });
  }
  async function enrol(label: "alice" | "bob" | "admin"): Promise<LabPrincipal> {
    const identity = known[label];
    const role = label === "admin" ? "administrator" : "researcher";
    await registry.addPrincipal({ label, role, certificate: identity.certPem });
    return { ...identity, client: client(identity) };
  }
  const [alice, bob, admin] = [await enrol("alice"), await enrol("bob"), await enrol("admin")];
  const ticketKey = Buffer.from((await alice.client.getconfig()).ticket_key, "base64");

  async function accept(identity: TestIdentity, at: number): Promise<LabNode> {
    const ip = `${options.loopback ? "127.0.1" : "10.77.0"}.${at + 1}`;
    await registry.addNode({ label: `node${at}`, certificate: identity.certPem, ip });
    const own = { ...identity, client: client(identity), ip };
    const root = (overrides: HoldingOverrides = {}) => rootOf(own, ticketKey, options.share, overrides);
    async function deposit(sealed = root()): Promise<Sealed<Holding>> {
      await own.client.deposittickets({ tickets: [sealed.text], facts: FACTS });
      return sealed;
    }
    return { ...own, root, deposit };
  }
  const nodes: LabNode[] = [];
  for (const [at, identity] of (await nodeIdentities(options.nodes ?? 2)).entries()) {
    nodes.push(await accept(identity, at));
  }
  if (options.deposited ?? true) await Promise.all(nodes.map((node) => node.deposit()));

  const kept = owned.move();
  return {
    get agent() {
      return agent;
    },
    ...{ clock, config, authority, database, registry, alice, bob, admin, ticketKey },
    client: (identity) => client(identity),
    nodes: nodes as [LabNode, LabNode],
    plainClient() {
      const connections = clients.use(new Connections());
      return xmlRpcClient(agentApi, { url: agent.announce.plain!, connections });
    },
    async sibling() {
      const another = await startAgent(config, deps);
      return {
        client: (identity: TestIdentity) => client(identity, another.announce.tls),
        [Symbol.asyncDispose]: () => another[Symbol.asyncDispose](),
      };
    },
    async restart() {
      await agent[Symbol.asyncDispose]();
      agent = await start();
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function rootOf(
  node: { readonly name: string; readonly ip: string; readonly signingKey: TestIdentity["signingKey"] },
  ticketKey: Buffer,
  share: Partial<Share> = {},
  overrides: HoldingOverrides,
): Sealed<Holding> {
  const base = rootTicket();
  const root: Holding = {
    ...base,
    issuer: node.name,
    node: node.name,
    ip: node.ip,
    ...keyOf(ticketKey),
    resources: { ...base.resources, ...share },
    ...overrides,
  };
  return seal(root, node.signingKey);
}

function lazily<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

function keyOf(spki: Buffer): Pick<Holding, "principal" | "principleSha1" | "principalKey"> {
  const key = publicKeyFromSpki(spki);
  return { principal: key.name, principleSha1: key.sha1, principalKey: key.spki };
}

/** What counts in the agent's books now or later: slices with their nodes. */
export async function charges({ database }: AgentLab): Promise<string[]> {
  const rows = await database.rows<{ charge: string }>(
    "select c.slice || ' on ' || n.ip as charge from charges c join nodes n on n.node = c.node order by 1",
  );
  return rows.map((row) => row.charge);
}

/** The sums kept beside every account, which must be those of its charges. */
export async function checkSums({ database }: Pick<AgentLab, "database">): Promise<void> {
  const wrong = await database.rows(
    `select a.id, a.charged_slivers, a.charged_memory_mib, coalesce(sum(c.slivers), 0) as slivers
     from accounts a left join charges c on c.account = a.id group by a.id
     having a.charged_slivers <> coalesce(sum(c.slivers), 0)
       or (a.charged_cpu_millis, a.charged_memory_mib, a.charged_disk_mib, a.charged_egress_kbps) is distinct from
          (coalesce(sum(c.cpu_millis), 0), coalesce(sum(c.memory_mib), 0), coalesce(sum(c.disk_mib), 0),
           coalesce(sum(c.egress_kbps), 0))`,
  );
  assert.deepEqual(wrong, []);
}

/** Resolves when so many statements of the lab's database wait for locks. */
export async function lockWaits({ database }: Pick<AgentLab, "database">, count: number): Promise<void> {
  await eventually(async () => {
    const rows = await database.rows(
      "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    );
    return rows.length >= count;
  });
}

/** The audit's entries, oldest first, as "who method outcome" with labels for keys. */
export async function audited({ database }: AgentLab): Promise<string[]> {
  const rows = await database.rows<{ entry: string }>(
    `select coalesce(p.label, a.who) || ' ' || method || ' ' || outcome as entry
     from audit a left join principals p on p.name = a.who order by a.id`,
  );
  return rows.map((row) => row.entry);
}

/** How a call is expected to be refused: by the name of the fault and something its sentence says. */
export function refusal(name: FaultName, sentence = /./): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof Fault, String(error));
    assert.equal(error.name, name, error.message);
    assert.match(error.sentence, sentence);
    return true;
  };
}

/** Opens a ticket as its node would. */
export function opened(node: LabNode, text: string, now = NOW): Link<SliceTicket> {
  return openSliceTicket(text, { nodeKey: node.signingKey.public }, now).leaf;
}
