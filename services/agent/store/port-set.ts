import type { PortRange } from "#shared/model/ports.ts";

/** Ports of one protocol as PostgreSQL's int4multirange writes them: `{[80,81),[443,444)}`. */
export function portSet(ports: readonly PortRange[], protocol: PortRange["protocol"]): string {
  const ranges = ports.filter((range) => range.protocol === protocol);
  return `{${ranges.map(({ from, to }) => `[${from},${to + 1})`).join(",")}}`;
}
