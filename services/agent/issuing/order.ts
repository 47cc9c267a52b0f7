import type { KeyName } from "#shared/identity/key.ts";
import type { Capability } from "#shared/model/capability.ts";
import type { AnyPorts, PortRange } from "#shared/model/ports.ts";
import type { Ceilings, Resources } from "#shared/model/resources.ts";
import type { Whereabouts } from "#shared/model/slice-description.ts";
import type { EngineName } from "#shared/model/ticket.ts";

/** Which nodes tickets may be for: these, by address or key, the preferred ones first, or whichever suit best. */
export type Among =
  | { readonly kind: "any" }
  | { readonly kind: "ips" | "nodes"; readonly names: readonly string[] };

/** Where a request has brought tickets that count now. */
export type Brought = { readonly nodes: readonly KeyName[]; readonly sites: readonly string[] };

/** What a principal asks tickets for. Every ticket of it says the same, each for a node of its own. */
export type Order = {
  readonly slice: string;
  /** Length of the term, from now. */
  readonly leaseSeconds: number;
  readonly resources: Resources;
  readonly ceilings: Ceilings;
  readonly engine?: EngineName;
  readonly image?: string;
  readonly ports: readonly PortRange[];
  /** Besides, so many on each node, the lowest that are free there. */
  readonly anyPorts?: AnyPorts;
  readonly administrative?: readonly Capability[];
  /** Tickets wanted, and the fewest that are of use: with fewer there are none at all. */
  readonly count: number;
  readonly atLeast: number;
  readonly among: Among;
  readonly where: Whereabouts;
  /** Where a broker asks call by call: what calls before brought. */
  readonly brought?: Brought;
};
