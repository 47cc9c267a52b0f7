import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Layout } from "./layout.ts";
import type { Place, TestbedNetwork } from "./network.ts";
import { choosePorts, MONITOR_PORTS, type MonitorPorts } from "./ports.ts";

/** Where a resource monitor of the testbed is, or will be. */
export type MonitorPlace = Place & {
  /** What its host is called in dumps. */
  readonly name: string;
  /** The address it serves at, where that is not the address of the node it tells of. */
  readonly host?: string;
  readonly ports: MonitorPorts;
  /** A directory of its own. */
  readonly directory: string;
};

export type MonitorPlaces = {
  /** The one that hears all nodes, beside the agent. */
  readonly collector: MonitorPlace;
  /** In the order of the nodes. */
  readonly nodes: readonly MonitorPlace[];
};

/** Settles where the monitors of a testbed will be, before anything that is told of them is started. */
export async function monitorPlaces(
  { agentIp, places }: TestbedNetwork,
  layout: Layout,
  random: boolean,
): Promise<MonitorPlaces> {
  async function placed(name: string, place: Place, directory: string): Promise<MonitorPlace> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const memory = join(directory, "monitor-ports.json");
    // Nothing else lives in a namespace made for the node, so that its ports are free.
    const ports = place.namespace
      ? MONITOR_PORTS
      : await choosePorts(place.ip, MONITOR_PORTS, { memory, random });
    return { ...place, name, directory, ports };
  }
  return {
    collector: await placed("collector", { ip: agentIp }, layout.collector),
    nodes: await Promise.all(places.map((place, i) => placed(`node-${i + 1}`, place, layout.node(i + 1)))),
  };
}

/** HOST:PORT, for those who announce to it. */
export function targetOf({ ip, host = ip, ports }: MonitorPlace): string {
  return `${host}:${ports.udp}`;
}
