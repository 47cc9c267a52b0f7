import type { KeyName } from "#shared/identity/key.ts";
import type { Capability } from "#shared/model/capability.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Tx } from "#shared/runtime/database.ts";
import type { Privilege, SliceType } from "../privilege.ts";

/** What decides whether a principal may have tickets for a slice. Cannot change before the transaction ends. */
export type Permit = {
  readonly privileges: readonly Privilege[];
  readonly suspended: boolean;
  /** The principal the slice's name belongs to: the caller, where nobody had it. */
  readonly owner?: KeyName;
};

/**
 * Reads a principal's privileges in force and binds the slice's name, all locked until the transaction ends: a
 * privilege withdrawn at the same moment is withdrawn before or after, never between check and commit (RELIABILITY
 * I6), and two requests for one slice come one after the other. Undefined: nobody of that name is known.
 */
export async function lockPermit(
  tx: Tx,
  principal: KeyName,
  slice: string,
  sliceType: SliceType,
  now: Instant,
): Promise<Permit | undefined> {
  const rows = await tx.rows<PermitRow>(PERMIT, [principal, sliceType, now, slice]);
  if (rows.length > 0) {
    const [{ suspended, owner }] = rows as [PermitRow];
    return { suspended, owner, privileges: rows.map(privilegeOf) };
  }
  const known = await tx.row<{ suspended: boolean }>("select suspended from principals where name = $1", [
    principal,
  ]);
  return known && { ...known, privileges: [] };
}

const PERMIT = {
  name: "permit",
  text: `
    with granted as (
      select p.suspended, v.id, v.slice_type, v.max_nodes, v.max_lease_seconds, v.max_renewable_seconds,
        v.capabilities
      from principals p join privileges v on v.principal = p.name
      where p.name = $1 and v.slice_type = $2
        and v.valid_from <= to_timestamp($3) and to_timestamp($3) < v.valid_to
      for share of p, v
    ), bound as (
      insert into slices (name, principal, since)
      select $4, $1, to_timestamp($3) where exists (select from granted)
      on conflict (name) do update set since = slices.since
      returning principal
    )
    select granted.*, bound.principal as owner from granted, bound`,
};

type PermitRow = {
  suspended: boolean;
  id: number;
  slice_type: SliceType;
  max_nodes: number;
  max_lease_seconds: number;
  max_renewable_seconds: number;
  capabilities: Capability[];
  owner: string;
};

function privilegeOf(row: PermitRow): Privilege {
  return {
    id: row.id,
    sliceType: row.slice_type,
    maxNodes: row.max_nodes,
    maxLeaseSeconds: row.max_lease_seconds,
    maxRenewableSeconds: row.max_renewable_seconds,
    capabilities: row.capabilities,
  };
}
