import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { dirname, join as path } from "node:path";
import { stringify } from "smol-toml";
import { OperatorError } from "#shared/model/errors.ts";
import type { EngineName } from "#shared/model/ticket.ts";
import { writeDurably } from "#shared/runtime/durable-file.ts";
import { joinAsService, type ServiceWish } from "#shared/wire/service-joining.ts";
import { loadNodeManagerConfig } from "./config.ts";

/** What a node gives away, where its owner says otherwise than three quarters of what the machine has. */
type Amounts = {
  readonly cpuMillis?: number;
  readonly memoryMib?: number;
  readonly diskMib?: number;
  readonly egressKbps?: number;
  readonly slivers?: number;
};

/** What a node's owner joins with. */
export type NodeWish = {
  /** As it was pasted. */
  readonly invitation: string;
  /** The node's address. */
  readonly ip: string;
  /** Where key, certificates and node-manager.toml go. */
  readonly directory: string;
  readonly state: string;
  readonly engines: readonly EngineName[];
  readonly name: string;
  readonly note?: string;
  readonly capacity: Amounts;
  readonly env: NodeJS.ProcessEnv;
} & Pick<ServiceWish, "onWaiting" | "onNotice">;

const MIB = 1024 ** 2;
const EGRESS_KBPS = 100_000;
const SLIVER_MIB = 128;

/**
 * Makes a node of this machine: key, certificate, and a configuration with the agent in it, which comes last. Ended
 * anywhere and called again it goes on with the same key. A configuration that is there is not touched; it has to name
 * the agent already. Gives the configuration's path.
 */
export async function joinNode({ ip, directory, env, ...wish }: NodeWish): Promise<string> {
  const file = path(directory, "node-manager.toml");
  const at = (name: string) => path(directory, name);
  const identity = {
    ...{ key: at("node-manager.key"), certificate: at("node-manager.crt"), authority: at("ca.pem") },
  };
  const { agent } = await joinAsService({ ...wish, kind: "node", address: ip, files: identity });
  if (existsSync(file)) {
    refuseUnlessNamed(file, { ip, agent }, env);
    return file;
  }
  const config = { ip, state: wish.state, engines: wish.engines, identity };
  const capacity = await capacityOf(wish.state, wish.capacity);
  const body = stringify({ ...config, capacity, agents: [agent] });
  await writeDurably(file, `${HEADING}${body}\n`, 0o644);
  return file;
}

const HEADING = `# Slicelab node-manager. What else it can be told stands, with what it means, in packaging/config/node-manager.toml.

`;

type Agent = { readonly identity: string; readonly url: string };

type Said = { readonly ip: string; readonly agent: Agent };

/** What somebody has written is theirs: it is not changed, but has to say the same. */
function refuseUnlessNamed(file: string, { ip, agent }: Said, env: NodeJS.ProcessEnv): void {
  const config = loadNodeManagerConfig({ file, env });
  const there = `the node is certified and accepted, but ${file} was there already and`;
  if (!config.agents.some(({ identity }) => identity === agent.identity))
    throw new OperatorError(
      `${there} does not name the agent; add to it:\n\n[[agents]]\n${stringify(agent)}`,
    );
  if (config.ip !== ip)
    throw new OperatorError(
      `${there} says ip = "${config.ip}", and you say ${ip}; correct whichever is wrong`,
    );
}

/** In the words of the configuration. */
async function capacityOf(state: string, wanted: Amounts) {
  const memory = Math.floor((totalmem() * 0.75) / MIB);
  return {
    cpu_millis: wanted.cpuMillis ?? availableParallelism() * 750,
    memory_mib: wanted.memoryMib ?? memory,
    disk_mib: wanted.diskMib ?? (await roomFor(state)),
    egress_kbps: wanted.egressKbps ?? EGRESS_KBPS,
    slivers: wanted.slivers ?? Math.max(1, Math.floor((wanted.memoryMib ?? memory) / SLIVER_MIB)),
  };
}

/** Three quarters of what is free on the file system that the directory is on, or will be. */
async function roomFor(directory: string): Promise<number> {
  if (!existsSync(directory)) return await roomFor(dirname(directory));
  const { bavail, bsize } = await statfs(directory);
  return Math.floor((bavail * bsize * 0.75) / MIB);
}
