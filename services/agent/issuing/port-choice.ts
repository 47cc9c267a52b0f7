import { type AnyPorts, countPorts, lowestPorts, type PortRange } from "#shared/model/ports.ts";
import type { Order } from "./order.ts";

/** What a node has for an order that leaves the choice of ports to the agent, over the whole time it would count. */
export type OfferedPorts = {
  /** Those the slice has there by another ticket, of the holding's. */
  readonly own: readonly PortRange[];
  /** Those of the holding that nobody has, those asked for by number left out. */
  readonly free: readonly PortRange[];
};

const PROTOCOLS = ["tcp", "udp"] as const;

/**
 * The ports of one ticket: those its order names, and of those it leaves open the ones that the slice has on the node
 * already, so that a ticket to renew with is for the same, and then the lowest that are free.
 */
export function portsOf({ ports, anyPorts }: Order, offered: OfferedPorts | undefined): readonly PortRange[] {
  if (!anyPorts || !offered) return ports;
  return [...ports, ...PROTOCOLS.flatMap((protocol) => chosen(offered, protocol, anyPorts[protocol]))];
}

/** The protocol of which there are too few. */
export function lackingPorts(
  offered: OfferedPorts | undefined,
  wanted: AnyPorts | undefined,
): PortRange["protocol"] | undefined {
  if (!offered || !wanted) return undefined;
  return PROTOCOLS.find(
    (protocol) => countPorts(chosen(offered, protocol, wanted[protocol])) < wanted[protocol],
  );
}

function chosen({ own, free }: OfferedPorts, protocol: PortRange["protocol"], count: number): PortRange[] {
  const of = (ranges: readonly PortRange[]) => ranges.filter((range) => range.protocol === protocol);
  const kept = lowestPorts(of(own), count);
  return lowestPorts([...kept, ...lowestPorts(of(free), count - countPorts(kept))], count);
}
