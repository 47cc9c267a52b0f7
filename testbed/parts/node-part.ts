import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Authority } from "#services/authority/authority.ts";
import { CAPABILITIES } from "#shared/model/capability.ts";
import type { Share } from "#shared/model/resources.ts";
import { acceptNode } from "../acceptance.ts";
import { writeNodeConfig } from "../configuration.ts";
import { enrolOnTestbed } from "../identities.ts";
import type { Layout, TestbedEngine } from "../layout.ts";
import type { MonitorPlaces } from "../monitor-places.ts";
import type { Place } from "../network.ts";
import type { TestbedOptions } from "../options.ts";
import { choosePorts, NODE_PORTS } from "../ports.ts";
import type { AgentPart } from "./agent-part.ts";
import { Part } from "./part.ts";
import { fullCommand, type ServiceCommand } from "./service-process.ts";

/** One node of a testbed: an address and a node manager. */
export type NodePart = AsyncDisposable & {
  readonly ip: string;
  readonly node: string;
  readonly addresses: {
    readonly tls: string;
    readonly plain?: string;
    readonly web: string;
    readonly ssh: number;
    readonly slicestat: number;
  };
  readonly part: Part;
  readonly engine: TestbedEngine;
  readonly config: string;
  readonly namespace?: string;
  revive(): Promise<string[]>;
};

type Terms = {
  options: TestbedOptions;
  layout: Layout;
  authority: Authority;
  agent: AgentPart;
  place: Place;
  number: number;
  monitors?: MonitorPlaces;
  capacity: Share;
};

const run = promisify(execFile);

/** Enrols a node, has the agent's administrator accept it, and starts its node manager. */
export async function startNodePart(terms: Terms): Promise<NodePart> {
  const { options, layout, authority, agent, place, number, capacity, monitors } = terms;
  const directory = layout.node(number);
  const name = `node-${number}`;
  const enrolled = await enrolOnTestbed(authority, directory, name, "server", [place.ip]);
  await acceptNode(agent.registry, { name, number, ip: place.ip, enrolled });
  const { plain, ...always } = NODE_PORTS;
  const wanted = options.plain ? NODE_PORTS : always;
  // Nothing else lives in a namespace made for the node, so that its ports are free.
  const kept = { memory: join(directory, "ports.json"), random: options.randomPorts };
  const ports = place.namespace ? wanted : await choosePorts(place.ip, wanted, kept);
  const config = await writeNodeConfig(directory, {
    ...(monitors && { monitors: { own: monitors.nodes[number - 1]!, collector: monitors.collector } }),
    ...{ enrolled, ip: place.ip, ports, engine: options.engine, capacity },
    agent: {
      identity: agent.identity,
      url: agent.addresses.tls,
      ...(options.administrative && { administrative: [...CAPABILITIES] }),
    },
  });
  const part = await Part.start(serving(layout, place, config));
  return {
    ...{ ip: place.ip, node: enrolled.sha256, part, config, namespace: place.namespace },
    engine: options.engine,
    addresses: part.process.announcement as unknown as NodePart["addresses"],
    revive: () => part.revive(),
    [Symbol.asyncDispose]: () => part[Symbol.asyncDispose](),
  };
}

function serving(layout: Layout, place: Place, config: string): ServiceCommand {
  return {
    name: `node manager ${place.ip}`,
    argv: ["services/node-manager/main.ts", "serve", "--config", config],
    namespace: place.namespace,
    logFile: join(layout.logs, `node-${place.ip}.log`),
  };
}

/** Stops the slivers of a node whose node manager has ended. Their disks stay. */
export async function stopSlivers({ engine, config, namespace }: NodePart): Promise<void> {
  if (engine === "simulated") return; // those were in the node manager's memory
  const argv = ["services/node-manager/main.ts", "stop-slivers", "--config", config] as const;
  const [file, ...args] = fullCommand({ name: "", argv, namespace, logFile: "" });
  await run(file!, args, { cwd: new URL("../..", import.meta.url) });
}
