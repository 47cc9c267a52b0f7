import type { Capability } from "#shared/model/capability.ts";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import { formatLength } from "#shared/model/time.ts";

/** Whether a slice's virtual machines see only themselves or, with extra capabilities, their whole node (paper §4.3). */
export const SLICE_TYPES = ["conventional", "administrative"] as const;
export type SliceType = (typeof SLICE_TYPES)[number];

/** What a principal may ask for, as an administrator granted it. */
export type Privilege = {
  readonly id: number;
  readonly sliceType: SliceType;
  /** Nodes one slice may be on at a time. */
  readonly maxNodes: number;
  readonly maxLeaseSeconds: number;
  /** From a lease's start to the last moment its node may renew it to without a new ticket. */
  readonly maxRenewableSeconds: number;
  readonly capabilities: readonly Capability[];
};

/** What has to be allowed. */
export type Ask = {
  readonly leaseSeconds: number;
  /** Nodes the slice will be on with the tickets asked for. */
  readonly nodes: number;
  /** Present: an administrative slice. */
  readonly administrative?: readonly Capability[];
};

export function sliceTypeOf(administrative: readonly Capability[] | undefined): SliceType {
  return administrative ? "administrative" : "conventional";
}

/**
 * The privilege that allows what is asked: one of those given, all in force, the most generous first. Throws
 * NO_PRIVILEGE, or QUOTA where only the number of nodes is too large.
 */
export function privilegeFor(privileges: readonly Privilege[], ask: Ask): Privilege {
  const type = sliceTypeOf(ask.administrative);
  const ofType = privileges.filter((p) => p.sliceType === type);
  refuseUnless(
    ofType.length > 0,
    "NO_PRIVILEGE",
    `you have no privilege for ${type} slices; ask the agent's administrator for one`,
  );
  const capable = ofType.filter((p) => missingCapability(p, ask) === undefined);
  if (capable.length === 0) {
    throw new Fault(
      "NO_PRIVILEGE",
      `your privilege does not include ${missingCapability(ofType[0]!, ask)}; leave it out or ask the agent's administrator`,
    );
  }
  const lasting = capable.filter((p) => ask.leaseSeconds <= p.maxLeaseSeconds);
  if (lasting.length === 0) {
    const most = Math.max(...capable.map((p) => p.maxLeaseSeconds));
    throw new Fault(
      "NO_PRIVILEGE",
      `your leases may last up to ${formatLength(most)}; ask for a shorter one and renew it`,
    );
  }
  const [best] = lasting.toSorted(
    (a, b) => b.maxNodes - a.maxNodes || b.maxRenewableSeconds - a.maxRenewableSeconds,
  );
  refuseUnless(
    ask.nodes <= best!.maxNodes,
    "QUOTA",
    `a slice of yours may be on ${best!.maxNodes} nodes at a time and this would make ${ask.nodes}; ask for fewer`,
  );
  return best!;
}

function missingCapability(privilege: Privilege, ask: Ask): Capability | undefined {
  return ask.administrative?.find((capability) => !privilege.capabilities.includes(capability));
}
