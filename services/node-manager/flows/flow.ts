import type { SliverId } from "../backends/backend.ts";
import type { Connection } from "./connection.ts";

/** A connection between a sliver and the world, as the world sees it: by a port of the node's address. */
export type Flow = {
  readonly sliver: SliverId;
  readonly protocol: "tcp" | "udp";
  /** On the node's address. */
  readonly nodePort: number;
  readonly remote: string;
  readonly remotePort: number;
  /** Whether the sliver began it. */
  readonly sent: boolean;
};

/** Which sliver has an address of the node's own network now. */
export type OwnerOf = (address: string) => SliverId | undefined;

/**
 * What of a connection is whose: one sliver's that began it, one's that was reached by a port it has, or both, where
 * neighbours speak. Nothing where it did not leave under the node's address (questions for names, mostly) or nobody here
 * has to do with it.
 */
export function flowsOf({ protocol, original, reply }: Connection, ownerOf: OwnerOf): Flow[] {
  const flows: Flow[] = [];
  const sender = ownerOf(original.from);
  if (sender !== undefined && reply.to !== original.from) {
    const [remote, remotePort, nodePort] = [original.to, original.toPort, reply.toPort];
    flows.push({ ...{ sliver: sender, protocol, sent: true }, nodePort, remote, remotePort });
  }
  const receiver = ownerOf(reply.from);
  if (receiver !== undefined && reply.from !== original.to) {
    const [remote, remotePort, nodePort] = [reply.to, reply.toPort, original.toPort];
    flows.push({ ...{ sliver: receiver, protocol, sent: false }, nodePort, remote, remotePort });
  }
  return flows;
}
