import type { PortRange } from "#shared/model/ports.ts";

/** Ports of one protocol as PostgreSQL's int4multirange writes them: `{[80,81),[443,444)}`. */
export function portSet(ports: readonly PortRange[], protocol: PortRange["protocol"]): string {
  const ranges = ports.filter((range) => range.protocol === protocol);
  return `{${ranges.map(({ from, to }) => `[${from},${to + 1})`).join(",")}}`;
}

/** The ranges of an int4multirange as PostgreSQL writes it back: always with `[` and `)`. */
export function portRanges(set: string, protocol: PortRange["protocol"]): PortRange[] {
  return Array.from(set.matchAll(/\[(\d+),(\d+)\)/g), ([, from, end]) => {
    return { protocol, from: Number(from), to: Number(end) - 1 };
  });
}

/** The ranges of one set of each protocol, as PostgreSQL writes them; null is none. */
export function portsIn(tcp: string | null, udp: string | null): PortRange[] {
  return [...portRanges(tcp ?? "", "tcp"), ...portRanges(udp ?? "", "udp")];
}
