import type { Layout, TestbedEngine } from "./layout.ts";
import type { Monitor, Monitors } from "./monitors.ts";
import type { AgentPart } from "./parts/agent-part.ts";
import type { BrokerPart } from "./parts/broker-part.ts";
import type { NodePart } from "./parts/node-part.ts";
import { fullCommand } from "./parts/service-process.ts";
import type { Person } from "./people.ts";

type Addresses = {
  readonly tls: string;
  readonly plain?: string;
  readonly web: string;
  /** The pages over TLS, which show more to whoever has a certificate. */
  readonly web_tls?: string;
  readonly pid: number;
};

/** A resource monitor: `udp` takes packets, `xml` is the dump's TCP port, `web` is /metrics. */
type MonitorAddresses = {
  readonly ip: string;
  readonly udp: number;
  readonly xml: number;
  readonly web: string;
  /** Absent until it runs: a testbed is ready before its monitors are. */
  readonly pid?: number;
  readonly command: readonly string[];
};

/** testbed.json: a contract for outside programs. Members are only ever added. */
export type TestbedDescription = {
  readonly authority: string;
  readonly agent: Addresses & { readonly sha256: string; readonly command: readonly string[] };
  /** Absent: the testbed has none. */
  readonly broker?: Addresses & { readonly sha256: string; readonly command: readonly string[] };
  readonly nodes: readonly (Addresses & {
    readonly ip: string;
    readonly node: string;
    /** Port of the ssh gateway. */
    readonly ssh: number;
    /** The network namespace the node lives in, where it has one. */
    readonly namespace?: string;
    /** What starts its node manager, in the project's directory. */
    readonly command: readonly string[];
    /** Its resource monitor, if it has one. */
    readonly monitor?: MonitorAddresses;
  })[];
  /** The monitor that hears all nodes, which the agent asks. Absent: the testbed has no monitors. */
  readonly collector?: MonitorAddresses;
  readonly principals: Readonly<
    Record<
      string,
      { readonly key: string; readonly cert: string; readonly sha256: string; readonly home: string }
    >
  >;
  readonly engine: TestbedEngine;
  /** The testbed's own process: SIGHUP makes it start services that have ended again, SIGINT ends everything. */
  readonly pid: number;
};

type Parts = {
  layout: Layout;
  agent: AgentPart;
  broker?: BrokerPart;
  nodes: readonly NodePart[];
  people: readonly Person[];
  monitors?: Monitors;
  engine: TestbedEngine;
};

export function describe({ agent, broker, nodes, people, monitors, engine }: Parts): TestbedDescription {
  const [collector, ...ofNodes] = monitors?.all ?? [];
  return {
    authority: people[0]!.enrolled.ca,
    agent: serviceOf(agent),
    ...(broker && { broker: serviceOf(broker) }),
    ...(collector && { collector: monitorAddresses(collector) }),
    nodes: nodes.map((node, i) => ({
      ip: node.ip,
      node: node.node,
      ...addressesOf(node.addresses, node.part.process.pid),
      ssh: node.addresses.ssh,
      ...(node.namespace && { namespace: node.namespace }),
      command: fullCommand(node.part.process.command),
      ...(ofNodes[i] && { monitor: monitorAddresses(ofNodes[i]) }),
    })),
    principals: Object.fromEntries(
      people.map(({ name, enrolled, home }) => [
        name,
        { key: enrolled.key, cert: enrolled.cert, sha256: enrolled.sha256, home },
      ]),
    ),
    engine,
    pid: process.pid,
  };
}

function monitorAddresses({ place: { ip, ports }, command, part }: Monitor): MonitorAddresses {
  const { udp, xml, web } = ports;
  return {
    ...{ ip, udp, xml, web: `http://${ip}:${web}/metrics` },
    ...(part && { pid: part.process.pid }),
    command: fullCommand(command),
  };
}

function serviceOf({ addresses, part, identity }: AgentPart | BrokerPart) {
  const { pid, command } = part.process;
  return { ...addressesOf(addresses, pid), sha256: identity, command: fullCommand(command) };
}

function addressesOf({ tls, plain, web, web_tls }: Omit<Addresses, "pid">, pid: number): Addresses {
  return { tls, ...(plain && { plain }), web, ...(web_tls && { web_tls }), pid };
}
