import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "smol-toml";
import { runAgent } from "#services/agent/commands.ts";
import type { AgentConfig } from "#services/agent/config.ts";
import { Registry } from "#services/agent/registry/registry.ts";
import { type AgentService, openAgentDatabase, startAgent } from "#services/agent/service.ts";
import { openTicketKeys, type TicketKeys } from "#services/agent/signing/ticket-keys.ts";
import { clientTlsOptions } from "#shared/identity/tls.ts";
import type { Database } from "#shared/runtime/database.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { agentApi } from "#shared/wire/agent-api.ts";
import { nodeManagerApi } from "#shared/wire/node-manager-api.ts";
import { type XmlRpcClient, xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { type TestIdentity, writeIdentity } from "../../../support/authority.ts";
import { testDatabase } from "../../../support/database.ts";
import { temporaryDirectory } from "../../../support/directory.ts";
import { type SliceLab, type SliceLabOptions, sliceLab } from "../../service-manager/slice-lab.ts";
import { checkSums } from "../agent-lab.ts";

export type Ran = { readonly code: number; readonly out: string; readonly err: string };

/** An agent that nodes do not know, as its operator and its users see it. */
export type SecondAgent = AsyncDisposable & {
  readonly agent: AgentService;
  readonly identity: TestIdentity;
  readonly config: AgentConfig;
  readonly database: Database;
  readonly registry: Registry;
  /** Its ticket keys, with which it could cheat. */
  readonly keys: TicketKeys;
  /** Calls it as bob, a researcher of its own consortium. */
  readonly bob: XmlRpcClient<typeof agentApi>;
  /** Runs `slicelab agent` on its machine. */
  run(...argv: string[]): Promise<Ran>;
};

/**
 * Two agents with a database each: `first`, that real node managers in this process know, and `second`, that they do
 * not. Both know the nodes and each other, as their administrators have to have them.
 */
export type TogetherLab = AsyncDisposable & {
  readonly first: SliceLab;
  readonly second: SecondAgent;
  /** Runs `slicelab agent` on the first agent's machine. */
  run(...argv: string[]): Promise<Ran>;
  /** `holding grant` to the second agent; the ids of what was granted, whole. */
  grant(...options: string[]): Promise<string[]>;
  /** Calls a node as bob. */
  node(at: number): XmlRpcClient<typeof nodeManagerApi>;
  /** What is free on a node, as each agent advertises it: slivers, and memory in MiB. */
  free(at: number): Promise<{ first: [number, number]; second: [number, number] }>;
  /** The sums beside the accounts of both are those of their charges. */
  checkBooks(): Promise<void>;
};

export async function togetherLab(options: SliceLabOptions = {}): Promise<TogetherLab> {
  await using owned = new AsyncDisposableStack();
  const first = owned.use(await sliceLab(options));
  const directory = owned.use(await temporaryDirectory()).path;
  const firstToml = await writeToml(directory, "first", first.agentConfig);
  const bob = await first.authority.client("bob of another consortium");
  const above = { agent: first.agent, certificate: await certificateOf(first.agentConfig) };
  const second = owned.use(await agentBeneath(above, { first, directory, name: "second", researcher: bob }));
  const connections = owned.use(new Connections(clientTlsOptions(bob.tls)));
  await first.registry.addPrincipal({
    label: "second",
    role: "agent",
    certificate: second.identity.certPem,
  });

  const run = runner(firstToml, first);
  const kept = owned.move();
  return {
    ...{ first, second, run },
    async grant(...argv) {
      const to = ["--to", second.agent.announce.tls, "--identity", second.identity.name];
      const { code, out, err } = await run("holding", "grant", ...to, ...argv);
      assert.equal(code, 0, err);
      const shown = out
        .trim()
        .split("\n")
        .map((line) => line.split(" ")[0]!);
      const rows = await first.database.rows<{ id: string }>("select id from grants");
      return shown.map((short) => rows.find(({ id }) => id.startsWith(short))!.id);
    },
    node: (at) =>
      xmlRpcClient(nodeManagerApi, {
        url: first.nodes[at]!.manager.url,
        connections,
        expectedPeer: first.nodes[at]!.name,
      }),
    async free(at) {
      const nodes = [first.nodes[at]!.name];
      const of = async (client: XmlRpcClient<typeof agentApi>): Promise<[number, number]> => {
        const [ad] = await client.getads({ nodes });
        return typeof ad === "object" ? [ad.free.slivers, ad.free.memory_mib] : [0, 0];
      };
      return { first: await of(first.agentClient), second: await of(second.bob) };
    },
    async checkBooks() {
      await checkSums(first);
      await checkSums(second);
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** An agent that hands on what it has. */
export type Above = { readonly agent: AgentService; readonly certificate: string };

type Beneath = {
  readonly first: SliceLab;
  readonly directory: string;
  readonly name: string;
  readonly researcher: TestIdentity;
};

/** An agent that no node knows and that is handed on to by another one. */
export async function agentBeneath(
  above: Above,
  { first, directory, name, researcher: bob }: Beneath,
): Promise<SecondAgent> {
  await using owned = new AsyncDisposableStack();
  const identity = await first.authority.server(`another agent ${name}`);
  const { url } = owned.use(await testDatabase());
  const home = join(directory, name);
  await mkdir(home);
  const files = await writeIdentity(home, "agent", identity.tls);
  const config: AgentConfig = {
    ...first.agentConfig,
    database: url,
    identity: { key: files.key, certificate: files.cert, authority: files.ca },
    ticket_key: join(home, "ticket.key"),
    listen: { address: "127.0.0.1", tls_port: 0, web_port: 0 },
    agents: [{ identity: above.agent.announce.agent, url: above.agent.announce.tls }],
  };
  const { clock } = first;
  const agent = owned.use(await startAgent(config, { clock, log: silentLog(), cancelTimeoutMs: 5000 }));
  const database = owned.use(openAgentDatabase(url));
  const registry = new Registry(database, clock);
  await registry.addPrincipal({ label: "bob", role: "researcher", certificate: bob.certPem });
  await registry.addPrincipal({ label: "above", role: "agent", certificate: above.certificate });
  for (const [at, node] of first.nodes.entries()) {
    await registry.addNode({ label: `theirs${at}`, certificate: node.identity.certPem, ip: node.ip });
  }
  const connections = owned.use(new Connections(clientTlsOptions(bob.tls)));
  const keys = await openTicketKeys(config.ticket_key);
  const toml = await writeToml(home, "agent", config);
  const kept = owned.move();
  return {
    ...{ agent, identity, config, database, registry, keys },
    bob: xmlRpcClient(agentApi, { url: agent.announce.tls, connections, expectedPeer: identity.name }),
    run: runner(toml, first),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function certificateOf({ identity }: AgentConfig): Promise<string> {
  return await readFile(identity.certificate, "utf8");
}

async function writeToml(directory: string, name: string, config: AgentConfig): Promise<string> {
  const file = join(directory, `${name}.toml`);
  await writeFile(file, stringify(config));
  return file;
}

function runner(config: string, { clock }: SliceLab): TogetherLab["run"] {
  return async (...argv) => {
    let [out, err] = ["", ""];
    const code = await runAgent([...argv, "--config", config], {
      out: (text) => {
        out += text;
      },
      err: (text) => {
        err += text;
      },
      env: {},
      clock,
    });
    return { code, out, err };
  };
}
