import type { KeyName } from "#shared/identity/key.ts";
import type { Share } from "#shared/model/resources.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries } from "#shared/runtime/database.ts";

/** A holding that has not ended, and what takes from its account at this moment. */
export type HoldingOverview = Share & {
  readonly id: DocumentId;
  readonly node: KeyName;
  readonly ip: string;
  readonly site: string | null;
  readonly issuer: KeyName;
  /** What whoever gave it is called here: its node, or another agent. */
  readonly from: string | null;
  /** Links further down from the node: 0 for a root. */
  readonly depth: number;
  readonly splits: number;
  readonly start: Instant;
  readonly end: Instant;
  readonly deposited: Instant;
  readonly replaced: boolean;
  /** Slivers, and what is handed on, that count now in its account. */
  readonly charged: number;
};

const HOLDINGS = `
  select h.id, h.node, n.ip, np.site, h.issuer, p.label as "from", json_array_length(h.lineage) - 1 as depth,
    h.splits, h.term_start as "start", h.term_end as "end", h.deposited,
    exists (select from holdings later where later.replaces = h.id) as replaced,
    (select coalesce(sum(c.slivers), 0)::bigint from charges c where c.account = h.account
       and c.counted_from <= to_timestamp($1) and to_timestamp($1) < c.counted_to) as charged,
    h.cpu_millis as "cpuMillis", h.memory_mib as "memoryMib", h.disk_mib as "diskMib",
    h.egress_kbps as "egressKbps", h.slivers
  from holdings h join nodes n on n.node = h.node join principals np on np.name = h.node
    left join agent_keys k on k.ticket_key = h.issuer left join principals p on p.name = coalesce(k.agent, h.issuer)`;

/** Those that have not ended, by node: of one node, or all. */
export async function holdingsOverview(
  queries: Queries,
  now: Instant,
  limit: number,
  node?: KeyName,
): Promise<HoldingOverview[]> {
  return await queries.rows<HoldingOverview>(
    `${HOLDINGS} where h.term_end > to_timestamp($1) and ($2::text is null or h.node = $2)
     order by n.ip::inet, h.term_end desc, h.id limit $3`,
    [now, node ?? null, limit],
  );
}

export type HoldingRecord = HoldingOverview & {
  readonly account: number;
  /** SubjectPublicKeyInfo of its node. */
  readonly nodeKey: Buffer;
  readonly lineage: readonly string[];
};

export async function holdingRecord(
  queries: Queries,
  now: Instant,
  id: DocumentId,
): Promise<HoldingRecord | undefined> {
  return await queries.row<HoldingRecord>(
    `select x.*, h.account, h.lineage, k.public_key as "nodeKey"
     from (${HOLDINGS} where h.id = $2) as x join holdings h on h.id = x.id join principals k on k.name = x.node`,
    [now, id],
  );
}

/** What is handed on to another agent. */
export type GrantOverview = {
  readonly id: DocumentId;
  readonly holding: DocumentId;
  readonly node: KeyName;
  readonly ip: string;
  readonly holder: KeyName;
  /** What that agent is called here. */
  readonly label: string | null;
  readonly state: string;
  readonly slivers: number;
  readonly memoryMib: number;
  /** Leases beneath it, as its node last said. */
  readonly beneath: number | null;
  readonly end: Instant;
};

/** Grants that have not ended: from one holding, or all. */
export async function grantsOverview(
  queries: Queries,
  now: Instant,
  limit: number,
  holding?: DocumentId,
): Promise<GrantOverview[]> {
  return await queries.rows<GrantOverview>(
    `select g.id, g.holding, g.node, n.ip, g.holder, p.label, g.state::text, g.slivers, g.memory_mib as "memoryMib",
       g.beneath, g.term_end as "end"
     from grants g join nodes n on n.node = g.node left join principals p on p.name = g.holder
     where g.term_end > to_timestamp($1) and ($2::text is null or g.holding = $2)
     order by n.ip::inet, g.id limit $3`,
    [now, holding ?? null, limit],
  );
}

/** What keys are called here: of agents, whose ticket keys they may be, and of principals. */
export async function labelsOf(
  queries: Queries,
  keys: readonly KeyName[],
): Promise<ReadonlyMap<KeyName, string>> {
  const rows = await queries.rows<{ key: KeyName; label: string }>(
    `select k.key, p.label from unnest($1::text[]) as k (key)
       left join agent_keys a on a.ticket_key = k.key join principals p on p.name = coalesce(a.agent, k.key)`,
    [keys],
  );
  return new Map(rows.map(({ key, label }) => [key, label]));
}
