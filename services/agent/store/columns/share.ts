import type { Ceilings, Share } from "#shared/model/resources.ts";

/** A share as its five columns are called everywhere. */
export type ShareRow = {
  readonly cpu_millis: number;
  readonly memory_mib: number;
  readonly disk_mib: number;
  readonly egress_kbps: number;
  readonly slivers: number;
};

export function shareOf(row: ShareRow): Share {
  return {
    cpuMillis: row.cpu_millis,
    memoryMib: row.memory_mib,
    diskMib: row.disk_mib,
    egressKbps: row.egress_kbps,
    slivers: row.slivers,
  };
}

/** Nullable columns, where null is "no ceiling". */
export type CeilingRow = {
  readonly ceiling_cpu_millis: number | null;
  readonly ceiling_egress_kbps: number | null;
};

export function ceilingsOf(row: CeilingRow): Ceilings {
  return {
    ...(row.ceiling_cpu_millis !== null && { cpuMillis: row.ceiling_cpu_millis }),
    ...(row.ceiling_egress_kbps !== null && { egressKbps: row.ceiling_egress_kbps }),
  };
}
