/** An inclusive range of TCP or UDP ports on a node's address. Ports are exclusive over time, never overbooked. */
export type PortRange = { readonly protocol: "tcp" | "udp"; readonly from: number; readonly to: number };

/** Whether every port of `inner` is in some range of `outer`. */
export function portsWithin(inner: readonly PortRange[], outer: readonly PortRange[]): boolean {
  return inner.every((range) => uncovered(range, outer) === undefined);
}

/** The first pair of ranges, one of each side, that share a port. */
export function clash(a: readonly PortRange[], b: readonly PortRange[]): PortRange | undefined {
  return a.find((x) => b.some((y) => x.protocol === y.protocol && x.from <= y.to && y.from <= x.to));
}

/** The lowest port of `range` that no range of `outer` has, found by walking up over the ranges that cover it. */
function uncovered(range: PortRange, outer: readonly PortRange[]): number | undefined {
  let next = range.from;
  while (next <= range.to) {
    const cover = outer.find((o) => o.protocol === range.protocol && o.from <= next && next <= o.to);
    if (!cover) return next;
    next = cover.to + 1;
  }
  return undefined;
}
