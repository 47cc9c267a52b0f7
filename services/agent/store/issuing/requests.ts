import { type KeyName, type PublicKey, publicKeyFromSpki } from "#shared/identity/key.ts";
import { refuseUnless } from "#shared/model/errors.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Database, Queries, Tx } from "#shared/runtime/database.ts";
import type { Mandate, MandateUse } from "../../issuing/mandate.ts";
import type { Brought } from "../../issuing/order.ts";
import type { Unsealed } from "../../signing/seal.ts";
import { type AuditEntry, writeAudit } from "../audit/audit.ts";
import { issueTickets, type NewTickets, Overtaken } from "./issued.ts";
import { saveAnswer } from "./replies.ts";

/** The key an administrator registered for a principal. */
export async function keyOfPrincipal(queries: Queries, name: KeyName): Promise<PublicKey | undefined> {
  const row = await queries.row<{ public_key: Buffer }>(
    { name: "key of principal", text: "select public_key from principals where name = $1" },
    [name],
  );
  return row && publicKeyFromSpki(row.public_key);
}

/** What was done under a mandate's serial so far; nothing yet is told as this very request's. */
export async function mandateUse(queries: Queries, mandate: Mandate, slice: string): Promise<MandateUse> {
  const row = await queries.row<Omit<MandateUse, "brought"> & Brought>(
    {
      name: "use of request",
      text: `
        select r.document, r.issued, b.nodes, b.sites from requests r cross join lateral (
          select coalesce(array_agg(b.node), '{}') as nodes,
            coalesce(array_agg(b.site) filter (where b.site is not null), '{}') as sites
          from (${BROUGHT}) as b
        ) as b
        where r.principal = $1 and r.serial = $2`,
    },
    [mandate.principal.name, mandate.serial, slice],
  );
  if (!row) return { document: mandate.document, issued: 0, brought: { nodes: [], sites: [] } };
  const { nodes, sites, ...use } = row;
  return { ...use, brought: { nodes, sites } };
}

/** Where principal $1 has tickets for slice $3 that count now, brought by the request of serial $2. */
const BROUGHT = `
  select t.node, p.site
  from tickets t join requested_tickets q on q.ticket = t.id join principals p on p.name = t.node
  where t.slice = $3 and t.principal = $1 and q.serial = $2 and t.state in ('issued', 'redeemed')`;

/**
 * Issues tickets under a mandate: counted against its request in the transaction that writes them, all or nothing. Two
 * calls under one request come one after the other. Throws what `issueTickets` throws, Overtaken also where the request
 * has no longer so many left or has brought one of the nodes, or of sites that are to be distinct, and SUSPENDED for a broker that an administrator has suspended.
 */
export async function issueRequested(database: Database, mandate: Mandate, issue: NewTickets): Promise<void> {
  const { reply, ...tickets } = issue;
  const ids = issue.tickets.map(({ id }) => id);
  await database.transaction(async (tx) => {
    await refuseSuspended(tx, mandate.broker);
    await claim(tx, mandate, ids.length);
    await refuseBrought(tx, mandate, issue);
    await issueTickets(tx, tickets);
    await tx.run(
      "insert into requested_tickets (ticket, broker, serial) select id, $2, $3 from unnest($1::text[]) as t (id)",
      [ids, mandate.broker, mandate.serial],
    );
    // The principal's own entry is written with the tickets; this one says who asked for them.
    await writeAudit(tx, {
      at: issue.at,
      who: mandate.broker,
      method: issue.method,
      outcome: "ok",
      detail: { principal: mandate.principal.name, request: mandate.document, tickets: ids.length },
    });
    if (reply) {
      const { scope, argumentsHash, until } = reply;
      await saveAnswer(tx, scope, { argumentsHash, answer: { tickets: ids } }, until);
    }
  });
}

async function refuseSuspended(tx: Tx, broker: KeyName): Promise<void> {
  const row = await tx.row<{ suspended: boolean }>(
    "select suspended from principals where name = $1 for share",
    [broker],
  );
  refuseUnless(!row?.suspended, "SUSPENDED", "the agent's administrator has suspended this broker; ask why");
}

/** Takes so many of what a request has left. The row stays locked until the transaction ends. */
async function claim(tx: Tx, mandate: Mandate, count: number): Promise<void> {
  const { principal, serial, document, broker, described, ends } = mandate;
  await tx.run(
    `insert into requests (principal, serial, document, broker, described, issued, ends)
     values ($1, $2, $3, $4, $5, 0, to_timestamp($6)) on conflict do nothing`,
    [principal.name, serial, document, broker, described, ends],
  );
  const claimed = await tx.run(
    `update requests set issued = issued + $4
     where principal = $1 and serial = $2 and document = $3 and issued + $4 <= described`,
    [principal.name, serial, document, count],
  );
  if (claimed === 0) throw new Overtaken("the request has fewer left");
}

/** Sees what was brought by whoever held the claim before. */
async function refuseBrought(
  tx: Tx,
  { principal, serial }: Mandate,
  { order, tickets }: NewTickets,
): Promise<void> {
  const row = await tx.row(
    `select from (${BROUGHT}) as b
     join (select h.node, p.site from holdings h join principals p on p.name = h.node where h.id = any($4::text[])) as n
       on n.node = b.node or $5::boolean and n.site = b.site
     limit 1`,
    [principal.name, serial, order.slice, tickets.map(({ holding }) => holding), order.where.distinctSites],
  );
  if (row) throw new Overtaken("the request has brought a ticket there");
}

/** Of what a request brought, the tickets that count now, by their ids: at most `limit` of those behind `after`. */
export type CountedPage = { readonly slice: string; readonly after: DocumentId | ""; readonly limit: number };

/**
 * Uses up all that a request has left, and gives back what it brought and still counts. Whoever is issuing under it at
 * the same time comes before or after. Throws BAD_CHAIN where the serial stands for another request.
 */
export async function closeRequest(
  database: Database,
  mandate: Mandate,
  page: CountedPage,
  audit: Pick<AuditEntry, "at" | "who" | "method">,
): Promise<Unsealed[]> {
  const { principal, serial, document, broker, described, ends } = mandate;
  return await database.transaction(async (tx) => {
    const closed = await tx.run(
      `insert into requests (principal, serial, document, broker, described, issued, ends)
       values ($1, $2, $3, $4, $5, $5, to_timestamp($6))
       on conflict (principal, serial) do update set issued = requests.described
       where requests.document = excluded.document`,
      [principal.name, serial, document, broker, described, ends],
    );
    refuseUnless(
      closed === 1,
      "BAD_CHAIN",
      "the serial was used for another request, which is the one to close",
    );
    await writeAudit(tx, { ...audit, outcome: "ok", detail: { request: document } });
    return await countedTickets(tx, mandate, page);
  });
}

async function countedTickets(
  queries: Queries,
  { principal, serial }: Mandate,
  { slice, after, limit }: CountedPage,
): Promise<Unsealed[]> {
  const rows = await queries.rows<{ body: string; principal: KeyName; lineage: string[] }>(
    `select t.body, h.principal, h.lineage
     from tickets t join holdings h on h.id = t.holding join requested_tickets r on r.ticket = t.id
     where t.slice = $1 and t.principal = $2 and r.serial = $3 and t.id > $4
       and t.state in ('issued', 'redeemed')
     order by t.id limit $5`,
    [slice, principal.name, serial, after, limit],
  );
  return rows.map((row) => ({ ...row, body: Buffer.from(row.body) }));
}

/** Forgets requests that ended before `before`: nobody can present them any more. */
export async function forgetRequests(queries: Queries, before: Instant): Promise<void> {
  await queries.run("delete from requests where ends < to_timestamp($1)", [before]);
}

/** Of some tickets, those that this broker asked for. */
export async function requestedBy(
  queries: Queries,
  broker: KeyName,
  ids: readonly DocumentId[],
): Promise<ReadonlySet<DocumentId>> {
  const rows = await queries.rows<{ ticket: DocumentId }>(
    "select ticket from requested_tickets where broker = $1 and ticket = any($2::text[])",
    [broker, ids],
  );
  return new Set(rows.map(({ ticket }) => ticket));
}
