import type { KeyName } from "#shared/identity/key.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries } from "#shared/runtime/database.ts";

/** A holding as its operator sees it: one that this agent has, or one that it handed on. */
export type HeldOrGranted = {
  readonly id: DocumentId;
  readonly kind: "held" | "handed on";
  readonly ip: string;
  /** Whose it was, or whose it is now: what an administrator calls that key, or the key's name. */
  readonly party: string;
  readonly slivers: number;
  readonly memory_mib: number;
  /** Whether it is used, or how far its end has got. */
  readonly state: string;
  /** Leases that its node last said live beneath it, where that was asked. */
  readonly beneath: number | null;
  readonly until: Instant;
};

/** Everything held and handed on that has not ended, by node. */
export async function heldAndGranted(queries: Queries, now: Instant): Promise<HeldOrGranted[]> {
  return await queries.rows<HeldOrGranted>(
    `select h.id, 'held' as kind, n.ip, coalesce(p.label, h.issuer) as party, h.slivers, h.memory_mib,
       'in use' as state, null::bigint as beneath, h.term_end as until
     from holdings h join nodes n on n.node = h.node
       left join agent_keys k on k.ticket_key = h.issuer
       left join principals p on p.name = coalesce(k.agent, h.issuer)
     where h.term_end > to_timestamp($1)
     union all
     select g.id, 'handed on', n.ip, coalesce(p.label, g.holder), g.slivers, g.memory_mib, g.state::text, g.beneath,
       g.term_end
     from grants g join nodes n on n.node = g.node left join principals p on p.name = g.holder
     where g.term_end > to_timestamp($1)
     order by ip, kind desc, until, id`,
    [now],
  );
}

/** The lineages of holdings whose ids begin so: one, unless it is too short. */
export async function lineagesBeginning(queries: Queries, id: string): Promise<readonly string[][]> {
  const rows = await queries.rows<{ lineage: string[] }>(
    "select lineage from holdings where starts_with(id, $1) order by id limit 2",
    [id],
  );
  return rows.map(({ lineage }) => lineage);
}

/** The node that an administrator calls so, or that has this address or key. */
export async function nodeCalled(queries: Queries, name: string): Promise<KeyName | undefined> {
  const row = await queries.row<{ node: KeyName }>(
    "select n.node from nodes n join principals p on p.name = n.node where $1 in (n.node, n.ip, p.label)",
    [name],
  );
  return row?.node;
}

/** Every node on which something is held now, by address. */
export async function nodesHeld(queries: Queries, now: Instant): Promise<KeyName[]> {
  const rows = await queries.rows<{ node: KeyName }>(
    `select n.node from nodes n join principals p on p.name = n.node
     where not p.suspended and exists (
       select from holdings h where h.node = n.node and h.term_start <= to_timestamp($1)
         and to_timestamp($1) < h.term_end)
     order by n.ip::inet`,
    [now],
  );
  return rows.map(({ node }) => node);
}
