import type { KeyName } from "#shared/identity/key.ts";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import { formatLength } from "#shared/model/time.ts";
import { deleteQuota, lockMembers, type QuotaOf, upsertQuota } from "../store/quotas.ts";
import type { Office } from "./office.ts";
import { nameOf } from "./registry.ts";

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

/** Whose quota: a principal's, by its name here or that of its key, or a site's. */
export type Whose = { readonly principal: string } | { readonly site: string };

/** A quota that something would go beyond. */
export type Excess = {
  /** Absent: it is the principal's own. */
  readonly site?: string;
  readonly what: Limit;
  readonly most: number;
  /** What it would be. */
  readonly would: number;
};

/** Replaces the quota, if there was one. Tickets that are being issued come before it or count under it. */
export async function setQuota(office: Office, whose: Whose, limits: Limits): Promise<void> {
  if (Object.values(limits).every((limit) => limit === undefined))
    throw new OperatorError("say what is limited; to limit nothing, remove the quota");
  await office.act("set quota", { ...whose, ...limits }, async (tx) => {
    const of = await quotaOf(whose, (name) => nameOf(tx, name));
    if (!(await lockMembers(tx, of))) throw new OperatorError("there is no such site; add it first");
    await upsertQuota(tx, of, limits);
  });
}

export async function removeQuota(office: Office, whose: Whose): Promise<void> {
  await office.act("remove quota", whose, async (tx) => {
    const of = await quotaOf(whose, (name) => nameOf(tx, name));
    if (!(await deleteQuota(tx, of))) throw new OperatorError("there is no such quota");
  });
}

async function quotaOf(whose: Whose, named: (name: string) => Promise<KeyName>): Promise<QuotaOf> {
  return "site" in whose ? whose : { principal: await named(whose.principal) };
}

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
