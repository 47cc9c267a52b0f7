import type { KeyName } from "#shared/identity/key.ts";
import type { Share } from "#shared/model/resources.ts";
import type { DocumentId, Holding } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";
import type { GrantLimit, Piece } from "../../holdings/grant-line.ts";
import type { Unsealed } from "../../signing/seal.ts";
import { portRanges, portSet, portsIn } from "../columns/port-set.ts";
import { type ShareRow, shareOf } from "../columns/share.ts";

/**
 * How a grant stands. `closing`: nobody is to use it, but its node has not said yet that nothing is leased beneath it;
 * it counts until all grants of its line are `closed`, or `ended` by time.
 */
export type GrantState = "granted" | "closing" | "closed" | "ended";

/** A holding that this agent split from one of its own for another agent. */
export type Grant = GrantLimit & {
  readonly id: DocumentId;
  /** Equal in a grant and those it replaces. */
  readonly line: DocumentId;
  readonly replaces: DocumentId | null;
  readonly holding: DocumentId;
  readonly node: KeyName;
  readonly ip: string;
  readonly principal: KeyName;
  readonly holder: KeyName;
  readonly state: GrantState;
  /** Leases that its node last said live beneath it; null while it was not asked. */
  readonly beneath: number | null;
};

type GrantRow = ShareRow &
  Omit<Grant, keyof GrantLimit> & {
    term_start: Instant;
    term_end: Instant;
    tcp_ports: string;
    udp_ports: string;
  };

const GRANTS = `
  select g.id, g.line, g.replaces, g.holding, g.node, n.ip, g.principal, g.holder, g.state, g.beneath, g.term_start,
    g.term_end, g.cpu_millis, g.memory_mib, g.disk_mib, g.egress_kbps, g.slivers, g.tcp_ports::text, g.udp_ports::text
  from grants g join nodes n on n.node = g.node`;

function grantOf({ term_start, term_end, tcp_ports, udp_ports, ...row }: GrantRow): Grant {
  const { id, line, replaces, holding, node, ip, principal, holder, state, beneath } = row;
  return {
    ...{ id, line, replaces, holding, node, ip, principal, holder, state, beneath },
    share: shareOf(row),
    ports: portsIn(tcp_ports, udp_ports),
    during: { start: term_start, end: term_end },
  };
}

/** Those whose ids begin so: one, unless it is too short. */
export async function grantsBeginning(queries: Queries, id: string): Promise<Grant[]> {
  const rows = await queries.rows<GrantRow>(`${GRANTS} where starts_with(g.id, $1) order by g.id limit 2`, [
    id,
  ]);
  return rows.map(grantOf);
}

/** A line as it counts: those of its grants that have not ended. */
export async function grantsOfLine(queries: Queries, line: DocumentId): Promise<Grant[]> {
  const rows = await queries.rows<GrantRow>(`${GRANTS} where g.line = $1 order by g.granted, g.id`, [line]);
  return rows.map(grantOf);
}

/** Makes everything that is charged for a node wait until the transaction ends, in the order in which others lock. */
export async function lockAccountsOf(tx: Tx, node: KeyName): Promise<void> {
  await tx.run("select from accounts where node = $1 order by id for update", [node]);
}

/** The account that a holding is in now, and the ticket key it is for. */
export async function partiesOf(
  queries: Queries,
  holding: DocumentId,
): Promise<{ readonly account: number; readonly principal: KeyName }> {
  const row = await queries.row<{ account: number; principal: KeyName }>(
    "select account, principal from holdings where id = $1",
    [holding],
  );
  return row!;
}

/** Takes back what a line of grants was charged, to be charged anew. */
export async function unchargeLine(tx: Tx, line: DocumentId): Promise<void> {
  await tx.run("delete from grant_charges where line = $1", [line]);
}

/** What is left of an account over the time of each piece, in their order, at every instant of it. */
export async function leftFor(
  tx: Tx,
  account: number,
  pieces: readonly Piece[],
  perMille: number,
): Promise<Share[]> {
  const rows = await tx.rows<ShareRow>(
    `select f.* from unnest($2::float8[], $3::float8[]) with ordinality as p (lower, upper, place)
     cross join lateral account_free($1, to_timestamp(p.lower), to_timestamp(p.upper), $4) as f order by p.place`,
    [account, pieces.map(({ during }) => during.start), pieces.map(({ during }) => during.end), perMille],
  );
  return rows.map(shareOf);
}

/** Those of a piece's ports that something else has on its node in that time, or that the node keeps. */
export async function portsInTheWay(
  tx: Tx,
  node: KeyName,
  { ports, during }: Piece,
): Promise<GrantLimit["ports"]> {
  const row = await tx.row<{ tcp: string; udp: string }>(
    `select (coalesce(range_agg(t.tcp), '{}') * $2::int4multirange)::text as tcp,
       (coalesce(range_agg(t.udp), '{}') * $3::int4multirange)::text as udp
     from (
       select c.tcp_ports as tcp, c.udp_ports as udp from charges c
       where c.node = $1 and not (isempty(c.tcp_ports) and isempty(c.udp_ports))
         and c.counted_from < to_timestamp($5) and to_timestamp($4) < c.counted_to
       union all select n.kept_tcp, n.kept_udp from nodes n where n.node = $1
     ) as t`,
    [node, portSet(ports, "tcp"), portSet(ports, "udp"), during.start, during.end],
  );
  return [...portRanges(row!.tcp, "tcp"), ...portRanges(row!.udp, "udp")];
}

/** Charges a line to an account. */
export async function chargeLine(
  tx: Tx,
  line: DocumentId,
  { account, node }: { readonly account: number; readonly node: KeyName },
  pieces: readonly Piece[],
): Promise<void> {
  for (const { share, ports, during } of pieces) {
    await tx.run(
      `insert into grant_charges (line, account, node, counted_from, counted_to, cpu_millis, memory_mib, disk_mib,
         egress_kbps, slivers, tcp_ports, udp_ports)
       values ($1, $2, $3, to_timestamp($4), to_timestamp($5), $6, $7, $8, $9, $10, $11, $12)`,
      [
        ...[line, account, node, during.start, during.end, share.cpuMillis, share.memoryMib, share.diskMib],
        ...[share.egressKbps, share.slivers, portSet(ports, "tcp"), portSet(ports, "udp")],
      ],
    );
  }
}

/** A grant as it goes into the books. */
export type NewGrant = {
  readonly id: DocumentId;
  readonly line: DocumentId;
  readonly ticket: Holding;
  readonly body: Buffer;
};

export async function insertGrant(tx: Tx, { id, line, ticket, body }: NewGrant, now: Instant): Promise<void> {
  const { resources: share } = ticket;
  await tx.run(
    `insert into grants (id, line, replaces, holding, node, principal, holder, term_start, term_end, cpu_millis,
       memory_mib, disk_mib, egress_kbps, slivers, tcp_ports, udp_ports, granted, body)
     values ($1, $2, $3, $4, $5, $6, $7, to_timestamp($8), to_timestamp($9), $10, $11, $12, $13, $14, $15, $16,
       to_timestamp($17), $18)`,
    [
      ...[id, line, ticket.replaces ?? null, ticket.parent, ticket.node, ticket.principal, ticket.holder],
      ...[ticket.term.start, ticket.term.end],
      ...[share.cpuMillis, share.memoryMib, share.diskMib, share.egressKbps, share.slivers],
      ...[portSet(ticket.ports, "tcp"), portSet(ticket.ports, "udp"), now, body.toString("utf8")],
    ],
  );
}

/** Grants as they can be sealed, in the order of their ids as given. */
export async function unsealedGrants(queries: Queries, ids: readonly DocumentId[]): Promise<Unsealed[]> {
  const rows = await queries.rows<{ body: string; principal: KeyName; lineage: string[] }>(
    `select g.body, h.principal, h.lineage from unnest($1::text[]) with ordinality as a (id, place)
     join grants g on g.id = a.id join holdings h on h.id = g.holding order by a.place`,
    [ids],
  );
  return rows.map((row) => ({ ...row, body: Buffer.from(row.body) }));
}
