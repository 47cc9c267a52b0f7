import type { KeyName } from "#shared/identity/key.ts";
import type { MonitorPlace } from "../monitor-places.ts";
import type { Person } from "../people.ts";
import type { ServicePorts } from "../ports.ts";
import { servedAt } from "./addresses.ts";

/** A node of which everything is there but its node manager. */
export type SettledNode = {
  readonly name: string;
  readonly ip: string;
  readonly identity: KeyName;
  readonly ports: ServicePorts;
  readonly monitor: MonitorPlace;
};

type Addresses = {
  readonly tls: string;
  readonly web: string;
  /** What docker-compose.yml calls it. */
  readonly service: string;
};

/**
 * testbed.json of the composed testbed: as that of a testbed on one machine (testbed/description.ts), but that services
 * have the names of containers instead of processes and commands, and paths are those in the shell's container.
 */
export type ComposedDescription = {
  readonly authority: string;
  readonly agent: Addresses & { readonly sha256: string };
  readonly broker: Addresses & { readonly sha256: string };
  readonly nodes: readonly (Addresses & {
    readonly ip: string;
    readonly node: string;
    readonly ssh: number;
    readonly monitor: MonitorAddresses;
  })[];
  readonly collector: MonitorAddresses;
  readonly principals: Readonly<
    Record<
      string,
      { readonly key: string; readonly cert: string; readonly sha256: string; readonly home: string }
    >
  >;
  readonly engine: "container";
};

/** `ip` is where it answers; a node's monitor tells of another address, the node's. */
type MonitorAddresses = {
  readonly ip: string;
  readonly udp: number;
  readonly xml: number;
  readonly web: string;
  readonly service: string;
};

type Known = {
  readonly identity: string;
  readonly addresses: { readonly tls: string; readonly web: string };
};
type Parts = {
  readonly agent: Known;
  readonly broker: Known;
  readonly collector: MonitorPlace;
  readonly nodes: readonly SettledNode[];
  readonly people: readonly Person[];
};

export function composedDescription({ agent, broker, collector, nodes, people }: Parts): ComposedDescription {
  return {
    authority: people[0]!.enrolled.ca,
    agent: { ...agent.addresses, sha256: agent.identity, service: "agent" },
    broker: { ...broker.addresses, sha256: broker.identity, service: "broker" },
    nodes: nodes.map(({ name, ip, identity, ports, monitor }) => ({
      ...{ ip, node: identity, ...servedAt(ip, ports), ssh: ports.ssh! },
      service: name,
      monitor: monitorAddresses(monitor, name.replace("node", "monitor")),
    })),
    collector: monitorAddresses(collector, "collector"),
    principals: Object.fromEntries(
      people.map(({ name, enrolled: { key, cert, sha256 }, home }) => [name, { key, cert, sha256, home }]),
    ),
    engine: "container",
  };
}

function monitorAddresses({ ip, host = ip, ports }: MonitorPlace, service: string): MonitorAddresses {
  const { udp, xml, web } = ports;
  return { ip: host, udp, xml, web: `http://${host}:${web}/metrics`, service };
}
