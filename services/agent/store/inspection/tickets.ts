import type { KeyName } from "#shared/identity/key.ts";
import type { Resources } from "#shared/model/resources.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries } from "#shared/runtime/database.ts";
import type { TicketState } from "../issuing/tickets.ts";

/** An issued ticket, and whose it is. */
export type TicketOverview = Resources & {
  readonly id: DocumentId;
  readonly slice: string;
  readonly principal: KeyName;
  /** What that principal is called here. */
  readonly label: string | null;
  /** Whose the slice's name is now. */
  readonly owner: KeyName | null;
  readonly node: KeyName;
  readonly ip: string;
  readonly site: string | null;
  readonly state: TicketState;
  readonly issued: Instant;
  /** Until when it can be redeemed. */
  readonly validTo: Instant;
  readonly from: Instant;
  /** To the end of what its node may renew. */
  readonly to: Instant;
  readonly released: Instant | null;
  readonly settled: Instant | null;
};

const TICKETS = `
  select t.id, t.slice, t.principal, p.label, s.principal as owner, t.node, n.ip, np.site, t.state, t.issued, t.valid_to as "validTo",
    t.counted_from as "from", t.counted_to as "to", t.released, t.settled, t.cpu_millis as "cpuMillis",
    t.memory_mib as "memoryMib", t.disk_mib as "diskMib", t.egress_kbps as "egressKbps"
  from tickets t join nodes n on n.node = t.node join principals np on np.name = n.node
    left join principals p on p.name = t.principal left join slices s on s.name = t.slice`;

const OF = {
  all: "$2 = ''",
  principal: "t.slice in (select name from slices where principal = $2)",
  slice: "t.slice = $2",
  node: "t.account in (select id from accounts where node = $2)",
  holding: "t.holding = $2 and t.account = (select account from holdings where id = $2)",
} as const;

/** Tickets that count now or later, the latest issued first. */
export async function countedTickets(
  queries: Queries,
  now: Instant,
  of: { readonly kind: keyof typeof OF; readonly name: string },
  limit: number,
): Promise<TicketOverview[]> {
  return await queries.rows<TicketOverview>(
    `${TICKETS} where t.state in ('issued', 'redeemed') and t.counted_to > to_timestamp($1) and ${OF[of.kind]}
     order by t.issued desc, t.id limit $3`,
    [now, of.name, limit],
  );
}

/** One ticket, whatever became of it, with what its document is made of. */
export type TicketRecord = TicketOverview & {
  readonly holding: DocumentId;
  readonly body: string;
  /** The ticket key that signed it. */
  readonly signer: KeyName;
  readonly lineage: readonly string[];
  /** SubjectPublicKeyInfo of its node. */
  readonly nodeKey: Buffer;
  /** The broker that asked for it, if one did. */
  readonly broker: string | null;
};

export async function ticketRecord(queries: Queries, id: DocumentId): Promise<TicketRecord | undefined> {
  return await queries.row<TicketRecord>(
    `select x.*, t.holding, t.body, h.principal as signer, h.lineage,
       k.public_key as "nodeKey", r.broker
     from (${TICKETS} where t.id = $1) as x join tickets t on t.id = x.id join holdings h on h.id = t.holding
       join principals k on k.name = x.node
       left join requested_tickets r on r.ticket = x.id`,
    [id],
  );
}
