import { AGENT_PORTS, BROKER_PORTS, MONITOR_PORTS, NODE_PORTS, type ServicePorts } from "../ports.ts";

/** How many nodes docker-compose.yml has. */
export const COMPOSED_NODES = 3;

/**
 * Where the services of docker-compose.yml are, which says the same in its own words. They have fixed addresses, since
 * tickets, leases and certificates name a node by its address.
 */
export function composedAddresses(subnet: string) {
  return {
    agent: `${subnet}.2`,
    broker: `${subnet}.3`,
    collector: `${subnet}.4`,
    node: (number: number) => `${subnet}.${10 + number}`,
    /** A container of its own: it tells of the node, whose address is another. */
    monitor: (number: number) => `${subnet}.${20 + number}`,
  };
}

export type ComposedAddresses = ReturnType<typeof composedAddresses>;

/** Nobody else is at these addresses, so that the usual ports are free. */
export const COMPOSED_PORTS = {
  agent: withoutPlain(AGENT_PORTS),
  broker: withoutPlain(BROKER_PORTS),
  node: withoutPlain(NODE_PORTS),
  monitor: MONITOR_PORTS,
};

function withoutPlain({ plain, ...ports }: ServicePorts): ServicePorts {
  return ports;
}

/** Where a service answers at `ip`, as people and testbed.json have it. */
export function servedAt(ip: string, { tls, web }: ServicePorts): { tls: string; web: string } {
  return { tls: `https://${ip}:${tls}/RPC2`, web: `http://${ip}:${web}/` };
}
