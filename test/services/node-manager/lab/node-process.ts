import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "smol-toml";
import { clientTlsOptions } from "#shared/identity/tls.ts";
import { announcementOf, EXIT_WITH_PARENT } from "#shared/runtime/lifecycle.ts";
import { nodeManagerApi } from "#shared/wire/node-manager-api.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { type TestAuthority, type TestIdentity, writeIdentity } from "#test/support/authority.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { KEYS } from "#test/support/documents.ts";
import { runAuthority } from "#test/support/run-authority.ts";
import { type ListeningAgent, listeningAgent } from "./agent.ts";
import type { NodeClient } from "./node-lab.ts";

/** A node manager running as a process of its own. */
export type NodeProcess = AsyncDisposable & {
  readonly pid: number;
  readonly alice: NodeClient;
  readonly webUrl: string;
  readonly sshPort: number;
  /** What it ended by: a signal or "exit code …". */
  readonly ended: Promise<string>;
  kill(signal: NodeJS.Signals): void;
};

/** A place where node managers are started one after the other: keys, an agent, a machine and a state directory. */
export type NodeSite = AsyncDisposable & {
  readonly authority: TestAuthority;
  readonly agent: ListeningAgent;
  readonly directory: string;
  readonly state: string;
  readonly machines: string;
  readonly configFile: string;
  /** Starts a node manager, one that kills itself at a step if one is given. Undefined if it ends before it serves. */
  start(killAt?: string): Promise<NodeProcess | undefined>;
  /** The same with a command line of one's own, put before the program. */
  startUnder(wrapper: readonly string[]): Promise<NodeProcess | undefined>;
  /** The log of all processes so far. */
  readonly logFile: string;
};

type Shared = {
  readonly authority: TestAuthority;
  readonly server: TestIdentity;
  readonly alice: TestIdentity;
  readonly agent: TestIdentity;
};

const KILLABLE = fileURLToPath(new URL("killable.ts", import.meta.url));

/** Keys are costly: one set for all sites of a test. */
export async function siteKeys(): Promise<Shared> {
  const authority = await runAuthority();
  const [server, alice, agent] = await Promise.all([
    authority.server("node", undefined, { key: KEYS.node }),
    authority.client("alice", { key: KEYS.alice }),
    authority.server("agent"),
  ]);
  return { authority, server, alice, agent };
}

export async function nodeSite(keys: Shared): Promise<NodeSite> {
  const { path: directory, ...temporary } = await temporaryDirectory();
  const agent = await listeningAgent(keys.agent);
  const [state, machines, logFile] = ["state", "machines", "log"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  const configFile = join(directory, "node.toml");
  const identity = await writeIdentity(directory, "node", keys.server.tls);
  const config = {
    ...{
      ip: "127.0.0.1",
      state,
      identity: { key: identity.key, certificate: identity.cert, authority: identity.ca },
      engines: ["simulated"],
    },
    ports: { tls: 0, web: 0, ssh: 0, slicestat: 0 },
    capacity: { cpu_millis: 4000, memory_mib: 4096, disk_mib: 40_960, egress_kbps: 100_000, slivers: 16 },
    agents: [{ identity: agent.identity, url: agent.url }],
  };
  writeFileSync(configFile, stringify(config));
  const using: NodeProcess[] = [];
  const connections = new Connections(clientTlsOptions(keys.alice.tls));

  async function startUnder(wrapper: readonly string[], killAt = ""): Promise<NodeProcess | undefined> {
    const command = [...wrapper, process.execPath, KILLABLE, configFile, machines, killAt];
    const child = spawn(command[0]!, command.slice(1), {
      env: { ...process.env, [EXIT_WITH_PARENT]: "1", NODE_TEST_CONTEXT: undefined },
      stdio: ["pipe", "pipe", "pipe"],
    });
    child.stderr.on("data", (chunk) => appendFileSync(logFile, chunk));
    const ended = endOf(child);
    const ready = await announcementOf(child).catch(() => ended);
    if (typeof ready === "string") return undefined;
    const node: NodeProcess = {
      pid: ready.pid,
      alice: xmlRpcClient(nodeManagerApi, { url: String(ready.tls), connections, timeoutMs: 60_000 }),
      ...{ webUrl: String(ready.web), sshPort: Number(ready.ssh), ended },
      kill: (signal) => void child.kill(signal),
      async [Symbol.asyncDispose]() {
        if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
        child.stdin.destroy();
        await ended;
      },
    };
    using.push(node);
    return node;
  }

  return {
    ...{ authority: keys.authority, agent, directory, state, machines, configFile, logFile },
    start: (killAt) => startUnder([], killAt),
    startUnder: (wrapper) => startUnder(wrapper),
    async [Symbol.asyncDispose]() {
      for (const node of using) await node[Symbol.asyncDispose]();
      connections[Symbol.dispose]();
      await agent[Symbol.asyncDispose]();
      await temporary[Symbol.asyncDispose]();
    },
  };
}

async function endOf(child: ChildProcess): Promise<string> {
  const [code, signal] = await once(child, "exit");
  return signal ?? `exit code ${code}`;
}
