import type { KeyName } from "#shared/identity/key.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Tx } from "#shared/runtime/database.ts";
import type { Order } from "../order.ts";
import { portSet } from "./port-set.ts";

/** One ticket of an order, as it goes into the books. */
export type NewTicket = {
  readonly id: DocumentId;
  readonly holding: DocumentId;
  readonly node: KeyName;
  readonly body: Buffer;
  readonly validTo: Instant;
  /** End of the time it counts for. */
  readonly countedTo: Instant;
};

/** What all tickets of one order have in common in the books. */
export type NewTickets = {
  readonly principal: KeyName;
  readonly order: Order;
  readonly now: Instant;
  readonly start: Instant;
  /** The agent's overbooking factor. */
  readonly perMille: number;
  readonly tickets: readonly NewTicket[];
};

/**
 * Counts tickets against their accounts, all or none, and says whether they fitted. The accounts are locked in one
 * order and counted by a statement that began after, so that it sees whatever was issued before (RELIABILITY I5).
 */
export async function insertTickets(tx: Tx, issue: NewTickets): Promise<boolean> {
  const { order, tickets } = issue;
  await tx.run(LOCK_ACCOUNTS, [tickets.map((t) => t.node)]);
  const inserted = await tx.run(INSERT, [
    tickets.map((t) => t.id),
    tickets.map((t) => t.holding),
    tickets.map((t) => t.body.toString("utf8")),
    tickets.map((t) => t.validTo),
    tickets.map((t) => t.countedTo),
    issue.start,
    order.slice,
    issue.principal,
    issue.now,
    order.resources.cpuMillis,
    order.resources.memoryMib,
    order.resources.diskMib,
    order.resources.egressKbps,
    portSet(order.ports, "tcp"),
    portSet(order.ports, "udp"),
    issue.perMille,
  ]);
  return inserted === tickets.length;
}

/** All accounts of the nodes, not only those charged: ports are exclusive on a node whatever the account. */
const LOCK_ACCOUNTS = {
  name: "lock accounts",
  text: `
    select count(*) from (
      select id from accounts where node = any($1::text[]) order by id for update
    ) as locked`,
};

const INSERT = {
  name: "insert tickets",
  text: `
    with placed as (
      select t.*, h.account, h.node
      from unnest($1::text[], $2::text[], $3::text[], $4::float8[], $5::float8[])
        as t (id, holding, body, valid_to, counted_to)
      join holdings h on h.id = t.holding
    ), misfit as (
      select from placed p
      cross join lateral account_free(p.account, to_timestamp($6), to_timestamp(p.counted_to), $16::int) as f
      where f.cpu_millis < $10 or f.memory_mib < $11 or f.disk_mib < $12 or f.egress_kbps < $13 or f.slivers < 1
        or exists (
          select from charges c
          where c.node = p.node and not (isempty(c.tcp_ports) and isempty(c.udp_ports))
            and c.counted_from < to_timestamp(p.counted_to) and to_timestamp($6) < c.counted_to
            and (c.tcp_ports && $14::int4multirange or c.udp_ports && $15::int4multirange))
    )
    insert into tickets (id, holding, account, node, slice, principal, issued, valid_to, counted_from, counted_to,
      cpu_millis, memory_mib, disk_mib, egress_kbps, tcp_ports, udp_ports, body)
    select p.id, p.holding, p.account, p.node, $7, $8, to_timestamp($9), to_timestamp(p.valid_to),
      to_timestamp($6), to_timestamp(p.counted_to), $10::bigint, $11::bigint, $12::bigint, $13::bigint,
      $14::int4multirange, $15::int4multirange, p.body
    from placed p where not exists (select from misfit)`,
};
