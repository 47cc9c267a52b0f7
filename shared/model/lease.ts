import type { Capability } from "./capability.ts";
import { refuseUnless } from "./errors.ts";
import type { PortRange } from "./ports.ts";
import type { Ceilings, Resources } from "./resources.ts";
import type { DocumentId, EngineName } from "./ticket.ts";
import type { Instant, Term } from "./time.ts";

/** How a sliver is reached: the node's ssh gateway, where the user is the slice. */
export type SshAccess = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** The gateway's public key as OpenSSH writes it: type and base64, no comment. */
  readonly hostKey: string;
};

/**
 * A ticket accepted by its node, bound to one virtual machine and signed by the node's identity key (WIRE.md §1).
 * It proves what was promised, never what is so now. A renewal keeps `serial` and `sliver` and moves `term.end`.
 */
export type Lease = {
  readonly serial: string;
  readonly ticket: DocumentId;
  readonly node: string;
  readonly principal: string;
  readonly principleSha1: string;
  readonly ip: string;
  readonly slice: string;
  readonly term: Term;
  readonly renewableUntil: Instant;
  readonly resources: Resources;
  readonly ceilings: Ceilings;
  readonly engine: EngineName;
  readonly image: string;
  readonly ports: readonly PortRange[];
  readonly administrative?: readonly Capability[];
  readonly sliver: string;
  readonly ssh: SshAccess;
};

/** Rules that a lease keeps by itself, whatever its ticket says. Breaking one is MALFORMED. */
export function checkLeaseConsistent(lease: Lease): void {
  const hold = (condition: boolean, sentence: string) => refuseUnless(condition, "MALFORMED", sentence);
  hold(lease.renewableUntil >= lease.term.end, "the lease's renewable_until_time is before its end_time");
  hold(lease.administrative?.length !== 0, "an administrative lease must list at least one capability");
}
