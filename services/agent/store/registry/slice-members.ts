import type { KeyName } from "#shared/identity/key.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";

/** A change of who is in a slice. Numbers rise, over all slices of the agent. */
export type MemberChange = {
  readonly number: number;
  readonly slice: string;
  readonly principal: KeyName;
  readonly member: boolean;
};

/** Whose a slice is, and where it is. */
export type SliceMembership = {
  readonly owner: KeyName;
  /** Beside the owner, in the order in which they came. */
  readonly members: readonly KeyName[];
  /** Nodes for which it has tickets that count. */
  readonly nodes: readonly KeyName[];
};

/** Whose a name is, locked until the transaction ends; undefined: nobody's. */
export async function lockSliceOwner(tx: Tx, slice: string): Promise<KeyName | undefined> {
  const sql = "select principal as owner from slices where name = $1 for update";
  return (await tx.row<{ owner: KeyName }>(sql, [slice]))?.owner;
}

/** Whether somebody was put out of a slice. */
export async function isOut(queries: Queries, slice: string, principal: KeyName): Promise<boolean> {
  const sql = "select from slice_members where slice = $1 and principal = $2 and removed is not null";
  return (await queries.row(sql, [slice, principal])) !== undefined;
}

/** Writes a change, whether it is one or not: what is written last is what holds, everywhere. */
export async function writeMember(
  tx: Tx,
  { slice, principal, member }: Omit<MemberChange, "number">,
  now: Instant,
): Promise<void> {
  await tx.run("lock table slice_members in share row exclusive mode");
  await tx.run(
    `insert into slice_members as m (slice, principal, since, removed, number)
     select $1, $2, to_timestamp($3), case when $4 then null else to_timestamp($3) end,
       (select coalesce(max(number), 0) + 1 from slice_members)
     on conflict (slice, principal) do update set removed = excluded.removed, number = excluded.number,
       since = case when m.removed is null then m.since else excluded.since end`,
    [slice, principal, now, member],
  );
}

/** What a node has to know, behind `since`: changes of slices that had tickets for it. */
export async function memberChanges(
  queries: Queries,
  node: KeyName,
  since: number,
  limit: number,
): Promise<{ latest: number; changes: MemberChange[] }> {
  const row = await queries.row<{ latest: number }>(
    "select coalesce(max(number), 0)::int as latest from slice_members",
  );
  const changes = await queries.rows<MemberChange>(
    `select m.number::int as number, m.slice, m.principal, m.removed is null as member from slice_members m
     where m.number > $1 and m.number <= $4
       and exists (select from tickets t where t.slice = m.slice and t.node = $2)
     order by m.number limit $3`,
    [since, node, limit, row!.latest],
  );
  return { latest: row!.latest, changes };
}

/** Undefined where nobody ever had the name. */
export async function membershipOf(
  queries: Queries,
  slice: string,
  now: Instant,
): Promise<SliceMembership | undefined> {
  return await queries.row<SliceMembership>(
    `select s.principal as owner,
       coalesce((select array_agg(m.principal::text order by m.since, m.principal) from slice_members m
         where m.slice = s.name and m.removed is null and m.principal <> s.principal), '{}') as members,
       coalesce((select array_agg(distinct t.node::text) from tickets t
         where t.slice = s.name and t.state in ('issued', 'redeemed') and t.counted_to > to_timestamp($2)), '{}') as nodes
     from slices s where s.name = $1`,
    [slice, now],
  );
}
