import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "smol-toml";
import type { Share } from "#shared/model/resources.ts";
import { writeDurably } from "#shared/runtime/durable-file.ts";
import { dockerSocket } from "./engine-choice.ts";
import type { Enrolled } from "./identities.ts";
import type { TestbedEngine } from "./layout.ts";
import { type MonitorPlace, targetOf } from "./monitor-places.ts";
import type { ServicePorts } from "./ports.ts";

/** The files services and people are configured with, written anew at every start; what they keep is beside them. */

export async function writeAgentConfig(
  directory: string,
  agent: {
    enrolled: Enrolled;
    ip: string;
    ports: ServicePorts;
    database: string;
    monitor?: MonitorPlace;
  },
): Promise<string> {
  const { enrolled, ip, ports, database, monitor } = agent;
  return write(directory, "agent.toml", {
    database,
    identity: { key: enrolled.key, certificate: enrolled.cert, authority: enrolled.ca },
    ticket_key: join(directory, "ticket.key"),
    listen: {
      address: ip,
      tls_port: ports.tls,
      web_port: ports.web,
      ...(ports.web_tls !== undefined && { web_tls_port: ports.web_tls }),
      ...(ports.plain !== undefined && { plain_port: ports.plain }),
    },
    scan_seconds: 15,
    ...(monitor && {
      monitors: [{ host: monitor.host ?? monitor.ip, port: monitor.ports.xml }],
      poll_seconds: 5,
    }),
  });
}

export async function writeBrokerConfig(
  directory: string,
  broker: {
    enrolled: Enrolled;
    ip: string;
    ports: ServicePorts;
    database: string;
    agent: { identity: string; url: string };
  },
): Promise<string> {
  const { enrolled, ip, ports, database, agent } = broker;
  return write(directory, "broker.toml", {
    database,
    identity: { key: enrolled.key, certificate: enrolled.cert, authority: enrolled.ca },
    listen: {
      address: ip,
      tls_port: ports.tls,
      web_port: ports.web,
      ...(ports.web_tls !== undefined && { web_tls_port: ports.web_tls }),
      ...(ports.plain !== undefined && { plain_port: ports.plain }),
    },
    agents: [agent],
  });
}

export async function writeNodeConfig(
  directory: string,
  node: {
    enrolled: Enrolled;
    ip: string;
    ports: ServicePorts;
    engine: TestbedEngine;
    capacity: Share;
    /** What the node offers, and where it keeps them; absent: as every node of this machine. */
    images?: { readonly names: readonly string[]; readonly directory: string };
    agent: { identity: string; url: string; administrative?: string[] };
    monitors?: { own: MonitorPlace; collector: MonitorPlace };
  },
): Promise<string> {
  const { enrolled, ip, ports, engine, capacity, images, agent, monitors } = node;
  return write(directory, "node-manager.toml", {
    ip,
    state: join(directory, "state"),
    identity: { key: enrolled.key, certificate: enrolled.cert, authority: enrolled.ca },
    ports: definedOnly(ports),
    engines: [engine],
    ...(images && { images: images.names, images_directory: images.directory }),
    ...(engine === "docker" && { docker_socket: dockerSocket() }),
    capacity: {
      cpu_millis: capacity.cpuMillis,
      memory_mib: capacity.memoryMib,
      disk_mib: capacity.diskMib,
      egress_kbps: capacity.egressKbps,
      slivers: capacity.slivers,
    },
    agents: [agent],
    ...(monitors && announcing(monitors.own, monitors.collector)),
  });
}

/** The monitors that a node manager tells, and the ports of the node's own, which slices may not have. */
function announcing(own: MonitorPlace, collector: MonitorPlace) {
  const { udp, xml, web } = own.ports;
  const port = (protocol: string, number: number) => ({ protocol, from: number, to: number });
  return {
    monitor: { name: own.name, announce_to: [targetOf(own), targetOf(collector)], every_seconds: 5 },
    reserved_ports: [port("udp", udp), port("tcp", xml), port("tcp", web)],
  };
}

export async function writeMonitorConfig(
  { directory, name, ip, host = ip, ports }: MonitorPlace,
  to: readonly string[],
): Promise<string> {
  return write(directory, "resource-monitor.toml", {
    node: { name, ip, location: "testbed", disk: directory },
    cluster: { name: "testbed" },
    listen: { address: host, udp_port: ports.udp, xml_port: ports.xml, web_port: ports.web },
    announce: { to },
  });
}

/** What makes a directory a home of the `slice` command. */
export async function writeResearcherConfig(
  home: string,
  person: {
    enrolled: Enrolled;
    agent: { identity: string; url: string };
    broker?: { identity: string; url: string };
  },
): Promise<string> {
  const { enrolled, agent, broker } = person;
  return write(home, "config.toml", {
    authority: enrolled.ca,
    key: enrolled.key,
    certificate: enrolled.cert,
    agents: [agent],
    ...(broker && { broker }),
  });
}

async function write(directory: string, name: string, table: object): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, name);
  await writeDurably(file, stringify(table));
  return file;
}

function definedOnly(ports: ServicePorts): Record<string, number> {
  return Object.fromEntries(Object.entries(ports).filter(([, port]) => port !== undefined));
}
