/** An inclusive range of TCP or UDP ports on a node's address. Ports are exclusive over time, never overbooked. */
export type PortRange = { readonly protocol: "tcp" | "udp"; readonly from: number; readonly to: number };

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
function joined(ranges: readonly PortRange[]): PortRange[] {
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
