import type { Instant } from "#shared/model/time.ts";
import type { Queries } from "#shared/runtime/database.ts";

/** One thing that a signer has revoked. */
export type RevokedShown = {
  readonly kind: "key" | "principal" | "ticket";
  readonly id: string;
  readonly since: Instant;
  readonly role: "authority" | "agent";
  readonly signer: string;
  /** What a key or principal is called here. */
  readonly label: string | null;
  /** Whether it is one of the nodes, which have pages of another kind. */
  readonly isNode: boolean;
  /** The slice of a ticket of this agent. */
  readonly slice: string | null;
};

/** The latest first. */
export async function revokedShown(queries: Queries, limit: number): Promise<RevokedShown[]> {
  return await queries.rows<RevokedShown>(
    `select r.kind, r.id, r.since, l.role, r.signer, p.label, coalesce(p.role = 'node', false) as "isNode", t.slice
     from revoked r join revocation_lists l on l.signer = r.signer
       left join principals p on p.name = r.id and r.kind in ('key', 'principal')
       left join tickets t on t.id = r.id and r.kind = 'ticket'
     order by r.since desc, r.kind, r.id limit $1`,
    [limit],
  );
}

/** A signer that has signed two lists of one number: one of them may be a forgery. */
export type Contradiction = { readonly signer: string; readonly number: number; readonly received: Instant };

export async function contradictions(queries: Queries): Promise<Contradiction[]> {
  return await queries.rows<Contradiction>(
    "select signer, number, received from revocation_conflicts order by received",
  );
}
