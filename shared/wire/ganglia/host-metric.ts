import type { HostName } from "./host.ts";
import type { Metadata, MetadataPacket, MetricId, ValuePacket } from "./packet.ts";

/** One metric of a host: its value as a text, and what it means. */
export type HostMetric = { readonly name: string; readonly value: string; readonly metadata: Metadata };

/**
 * Told with the host's address and name: receivers would otherwise name it by what the resolver makes of the address the
 * packet came from, and hosts behind one address would be one host to them.
 */
function idOf({ ip, name: host }: HostName, name: string): MetricId {
  return { host: `${ip}:${host}`, name, spoof: true };
}

/** What tells what a metric means. */
export function metadataPacket(of: HostName, { name, metadata }: HostMetric): MetadataPacket {
  return { kind: "metadata", id: idOf(of, name), metadata };
}

/** A number of which gmond makes use itself goes as such, everything else as its text, as gmetric sends it. */
export function valuePacket(of: HostName, { name, value }: HostMetric): ValuePacket {
  const id = idOf(of, name);
  if (name === "heartbeat") return { kind: "value", id, as: "uint", format: "%u", value: Number(value) };
  return { kind: "value", id, as: "string", format: "%s", value };
}
