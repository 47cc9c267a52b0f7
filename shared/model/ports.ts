/** An inclusive range of TCP or UDP ports on a node's address. Ports are exclusive over time, never overbooked. */
export type PortRange = { readonly protocol: "tcp" | "udp"; readonly from: number; readonly to: number };

/** How many ports somebody wants whose numbers do not matter to them. */
export type AnyPorts = { readonly tcp: number; readonly udp: number };

/** The most ports of one protocol that are asked for without saying which. */
export const MAX_ANY_PORTS = 64;

/** Ports below this are the well-known services' own, and no node gives them away unless its owner says so. */
export const FIRST_UNPRIVILEGED_PORT = 1024;

export function isNothing(ports: AnyPorts | undefined): boolean {
  return !ports || (ports.tcp === 0 && ports.udp === 0);
}

/** The lowest `count` ports in some ranges of one protocol, in as few ranges as possible; fewer where there are fewer. */
export function lowestPorts(ranges: readonly PortRange[], count: number): PortRange[] {
  const lowest: PortRange[] = [];
  let wanted = count;
  for (const { protocol, from, to } of joined(ranges)) {
    if (wanted <= 0) break;
    const end = Math.min(to, from + wanted - 1);
    lowest.push({ protocol, from, to: end });
    wanted -= end - from + 1;
  }
  return lowest;
}

/** How many ports there are in ranges that do not overlap. */
export function countPorts(ranges: readonly PortRange[]): number {
  return ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
}

/** A range as people read it: "tcp 8080" or "udp 5000-5009". */
export function formatPorts({ protocol, from, to }: PortRange): string {
  return from === to ? `${protocol} ${from}` : `${protocol} ${from}-${to}`;
}

/** Whether every port of `inner` is in some range of `outer`. */
export function portsWithin(inner: readonly PortRange[], outer: readonly PortRange[]): boolean {
  const wholes = joined(outer);
  return inner.every((range) =>
    wholes.some((w) => w.protocol === range.protocol && w.from <= range.from && range.to <= w.to),
  );
}

/** The first pair of ranges, one of each side, that share a port. */
export function clash(a: readonly PortRange[], b: readonly PortRange[]): PortRange | undefined {
  return a.find((x) => b.some((y) => x.protocol === y.protocol && x.from <= y.to && y.from <= x.to));
}

/** The same ports in as few ranges as possible: those that overlap or touch become one. */
export function joined(ranges: readonly PortRange[]): PortRange[] {
  const wholes: PortRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.protocol.localeCompare(b.protocol) || a.from - b.from)) {
    const last = wholes.at(-1);
    if (last && last.protocol === range.protocol && range.from <= last.to + 1) {
      wholes[wholes.length - 1] = { ...last, to: Math.max(last.to, range.to) };
    } else {
      wholes.push(range);
    }
  }
  return wholes;
}
