import type { PortRange } from "#shared/model/ports.ts";
import type { EngineName } from "#shared/model/ticket.ts";
import type { NodeDescription } from "./api.ts";
import { type Engines, offered } from "./engines/engines.ts";
import type { NodeFacts } from "./holdings/settlement.ts";

/** Where a node manager listens, once it does; 0 for a port it does not have. */
export type Listening = {
  readonly tls: number;
  readonly plain: number;
  readonly web: number;
  readonly web_tls: number;
  readonly ssh: number;
  readonly slicestat: number;
};

/** Who and where a node is, and what software runs on it. */
export type NodeSelf = { readonly node: string; readonly ip: string; readonly version: string };

/** The node's own ports, which nobody may lease. */
function portsTaken(listening: Partial<Listening>): PortRange[] {
  const ports = Object.values(listening).filter((port) => port !== 0);
  return ports.map((port) => ({ protocol: "tcp", from: port, to: port }));
}

/** The node's own ports and those its owner keeps. */
export function keptPorts(reserved: readonly PortRange[], listening: Listening): PortRange[] {
  return [...reserved, ...portsTaken(listening)];
}

/** What `getconfig` says, with v0.5's names for the ports. */
export function descriptionOf(
  self: NodeSelf,
  { tls, plain, web, ssh }: Listening,
  engines: Engines,
): NodeDescription {
  return {
    ...{ port: plain, sslport: tls, httpport: web, sshport: ssh },
    ...{ node: self.node, ip: self.ip, version: self.version },
    engines: namesOf(engines),
    simulated: isSimulated(engines),
  };
}

/** What agents are told with the node's roots; `kept` are the ports of its address that no slice gets. */
export function factsOf(
  self: NodeSelf,
  { tls, ssh }: Listening,
  engines: Engines,
  kept: readonly PortRange[],
): NodeFacts {
  return {
    abilities: offered(engines).map(({ statement: { engine, abilities } }) => {
      return { engine, abilities: [...abilities] };
    }),
    kept_ports: [...kept],
    ...{ sslport: tls, sshport: ssh, version: self.version },
    engines: namesOf(engines),
    images: [...new Set(offered(engines).flatMap(({ statement }) => statement.images))],
    simulated: isSimulated(engines),
  };
}

function namesOf(engines: Engines): EngineName[] {
  return offered(engines).map(({ statement }) => statement.engine);
}

/** Whether what a ticket that names no engine gets is simulated. */
function isSimulated(engines: Engines): boolean {
  return (offered(engines)[0] ?? engines[0]).statement.simulated;
}
