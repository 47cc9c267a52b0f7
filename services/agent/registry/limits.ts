import { Fault } from "#shared/model/errors.ts";
import { formatLength } from "#shared/model/time.ts";

/**
 * The most that a principal, or all principals of a site together, have at a time; what is absent is not limited.
 * Slivers and resources count over everything that counts now or later, a sliver as the largest of its tickets.
 */
export type Limits = {
  readonly slices?: number;
  /** Of one slice. */
  readonly nodes?: number;
  readonly leaseSeconds?: number;
  readonly slivers?: number;
  readonly cpuMillis?: number;
  readonly memoryMib?: number;
  readonly diskMib?: number;
  readonly egressKbps?: number;
};

export type Limit = keyof Limits;

/** A quota that something would go beyond. */
export type Excess = {
  /** Absent: it is the principal's own. */
  readonly site?: string;
  readonly what: Limit;
  readonly most: number;
  /** What it would be. */
  readonly would: number;
};

function counted(amount: number, what: string): string {
  return `${amount} ${what}${amount === 1 ? "" : "s"}`;
}

/** How an amount of what is limited is told. */
const TOLD: Readonly<Record<Limit, (amount: number) => string>> = {
  slices: (amount) => counted(amount, "slice"),
  nodes: (amount) => `${counted(amount, "node")} in one slice`,
  leaseSeconds: (amount) => `leases of ${formatLength(amount)}`,
  slivers: (amount) => `${counted(amount, "sliver")} in all`,
  cpuMillis: (amount) => `${amount} thousandths of a core in all`,
  memoryMib: (amount) => `${amount} MiB of memory in all`,
  diskMib: (amount) => `${amount} MiB of disk in all`,
  egressKbps: (amount) => `${amount} kbit/s of egress in all`,
};

/** The refusal of what would go beyond a quota. */
export function quotaFault({ site, what, most, would }: Excess): Fault {
  const whose = site === undefined ? "your quota" : `the quota of your site, ${site},`;
  return new Fault(
    "QUOTA",
    `${whose} is ${TOLD[what](most)} and this would make ${TOLD[what](would)}; ask for less, delete a slice, or ask the agent's administrator`,
  );
}
