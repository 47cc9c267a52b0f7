import type { KeyName } from "#shared/identity/key.ts";
import type { Capability } from "#shared/model/capability.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries } from "#shared/runtime/database.ts";
import type { Privilege, SliceType } from "../../registry/privilege.ts";

/** What decides whether a principal may have tickets for a slice. Checked again, under locks, when they are issued. */
export type Permit = {
  readonly suspended: boolean;
  readonly revoked: boolean;
  /** Those in force now. */
  readonly privileges: readonly Privilege[];
  /** The principal the slice's name belongs to, if to anybody. */
  readonly owner?: KeyName;
  /** Whether it is a member of the slice beside the owner. */
  readonly member: boolean;
  /** Whether there is a quota, of its own or of its site, for whom the slice counts: its owner. */
  readonly limited: boolean;
};

/** Undefined: no principal of that name is known. */
export async function readPermit(
  queries: Queries,
  principal: KeyName,
  slice: string,
  now: Instant,
): Promise<Permit | undefined> {
  const rows = await queries.rows<PermitRow>(PERMIT, [principal, slice, now]);
  const [first] = rows;
  if (!first) return undefined;
  const privileges = rows.filter((row) => row.id !== null).map(privilegeOf);
  const { suspended, revoked, owner, member, limited } = first;
  return { suspended, revoked, owner: owner ?? undefined, member, limited, privileges };
}

const PERMIT = {
  name: "permit",
  text: `
    select p.suspended, p.revoked is not null as revoked, s.principal as owner,
      exists (select from slice_members m where m.slice = $2 and m.principal = p.name and m.removed is null) as member,
      exists (
        select from quotas q join principals o on o.name = coalesce(s.principal, p.name)
        where q.principal = o.name or q.site = o.site
      ) as limited, v.id, v.slice_type, v.max_nodes, v.max_lease_seconds,
      v.max_renewable_seconds, v.capabilities
    from principals p
    left join slices s on s.name = $2
    left join privileges v on v.principal = p.name
      and v.valid_from <= to_timestamp($3) and to_timestamp($3) < v.valid_to
    where p.name = $1`,
};

type PermitRow = {
  suspended: boolean;
  revoked: boolean;
  owner: string | null;
  member: boolean;
  limited: boolean;
  /** Null, with all that follows, where there is no privilege. */
  id: number | null;
  slice_type: SliceType;
  max_nodes: number;
  max_lease_seconds: number;
  max_renewable_seconds: number;
  capabilities: Capability[];
};

function privilegeOf(row: PermitRow): Privilege {
  return {
    id: row.id!,
    sliceType: row.slice_type,
    maxNodes: row.max_nodes,
    maxLeaseSeconds: row.max_lease_seconds,
    maxRenewableSeconds: row.max_renewable_seconds,
    capabilities: row.capabilities,
  };
}
