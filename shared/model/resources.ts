/**
 * What is divisible on a node, as a vector: processor in thousandths of a core, memory and disk in MiB, outgoing
 * traffic in kbit/s. `cpuMillis` and `egressKbps` of 0 mean "no guarantee, a fair share" (paper §3.3).
 */
export type Resources = {
  readonly cpuMillis: number;
  readonly memoryMib: number;
  readonly diskMib: number;
  readonly egressKbps: number;
};

/** What a holding holds and an account counts: resources and the number of slivers. A slice ticket counts 1. */
export type Share = Resources & { readonly slivers: number };

/** Upper bounds on the dimensions that may exceed their guarantee. Absent means: no ceiling but the node's. */
export type Ceilings = { readonly cpuMillis?: number; readonly egressKbps?: number };

export const RESOURCE_DIMENSIONS = ["cpuMillis", "memoryMib", "diskMib", "egressKbps"] as const;
export const SHARE_DIMENSIONS = [...RESOURCE_DIMENSIONS, "slivers"] as const;
export const CEILING_DIMENSIONS = ["cpuMillis", "egressKbps"] as const;
export type ShareDimension = (typeof SHARE_DIMENSIONS)[number];

export const NOTHING: Share = { cpuMillis: 0, memoryMib: 0, diskMib: 0, egressKbps: 0, slivers: 0 };

/** What one slice ticket takes from the holdings above it. */
export function shareOfOne(resources: Resources): Share {
  return { ...resources, slivers: 1 };
}

/** Two shares, combined dimension by dimension. */
export function combine(a: Share, b: Share, rule: (x: number, y: number) => number): Share {
  return {
    cpuMillis: rule(a.cpuMillis, b.cpuMillis),
    memoryMib: rule(a.memoryMib, b.memoryMib),
    diskMib: rule(a.diskMib, b.diskMib),
    egressKbps: rule(a.egressKbps, b.egressKbps),
    slivers: rule(a.slivers, b.slivers),
  };
}

export function add(a: Share, b: Share): Share {
  return combine(a, b, (x, y) => x + y);
}

/** The larger of the two in every dimension. */
export function larger(a: Share, b: Share): Share {
  return combine(a, b, Math.max);
}

/** The first dimension in which `demand` exceeds `limit`, or undefined when it fits. */
export function exceeds(demand: Share, limit: Share): ShareDimension | undefined {
  return SHARE_DIMENSIONS.find((dimension) => demand[dimension] > limit[dimension]);
}

const UNITS: Record<ShareDimension, string> = {
  cpuMillis: "thousandths of a core",
  memoryMib: "MiB of memory",
  diskMib: "MiB of disk",
  egressKbps: "kbit/s of egress",
  slivers: "slivers",
};

/** A dimension as people read it, e.g. "MiB of memory". */
export function unitOf(dimension: ShareDimension): string {
  return UNITS[dimension];
}
