import type { KeyName } from "#shared/identity/key.ts";
import type { EngineAbilities } from "#shared/model/ability.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries } from "#shared/runtime/database.ts";
import type { Doubt } from "../issuing/tickets.ts";

/** What this agent knows of nodes that it holds through other agents, and that therefore do not report to it. */

/** Remembers that a ticket key is an agent's, since that agent itself showed it. */
export async function saveAgentKey(
  queries: Queries,
  ticketKey: KeyName,
  agent: KeyName,
  now: Instant,
): Promise<void> {
  await queries.run(
    `insert into agent_keys (ticket_key, agent, since) values ($1, $2, to_timestamp($3)) on conflict do nothing`,
    [ticketKey, agent, now],
  );
}

/** Nodes on which something is held from an agent, now or later, and nothing from the node itself, which would report. */
export async function nodesThrough(queries: Queries, agent: KeyName, now: Instant): Promise<KeyName[]> {
  const rows = await queries.rows<{ node: KeyName }>(
    `select n.node from nodes n
     where exists (
       select from holdings h join agent_keys k on k.ticket_key = h.issuer
       where h.node = n.node and k.agent = $1 and h.term_end > to_timestamp($2))
     and not exists (
       select from holdings h where h.node = n.node and h.issuer = n.node and h.term_end > to_timestamp($2))
     order by n.node`,
    [agent, now],
  );
  return rows.map(({ node }) => node);
}

/** How another agent says that a node is. */
export type GatheredNode = {
  readonly node: KeyName;
  /** What is not about its registered address is not taken. */
  readonly ip: string;
  readonly sslport: number;
  readonly engines: readonly string[];
  readonly images: readonly string[];
  readonly abilities: readonly EngineAbilities[];
  readonly simulated: boolean;
  /** When it last reported there; null if it never did. */
  readonly heard: Instant | null;
};

/** Replaces what is known of nodes by what another agent says. */
export async function saveGathered(queries: Queries, nodes: readonly GatheredNode[]): Promise<void> {
  await queries.run(
    `update nodes n set sslport = r.sslport, simulated = r.simulated, abilities = r.abilities,
       engines = array(select jsonb_array_elements_text(r.engines)),
       images = array(select jsonb_array_elements_text(r.images)),
       heard = greatest(n.heard, to_timestamp(r.heard))
     from jsonb_to_recordset($1) as r (node text, ip text, sslport int, simulated boolean, abilities jsonb,
       engines jsonb, images jsonb, heard float8)
     where n.node = r.node and n.ip = r.ip`,
    [JSON.stringify(nodes)],
  );
}

/** A node that reports to another agent, and what this one has to ask it about. */
export type Unreported = Doubt & {
  /** The lineages of what is held there from other agents and can be split still. */
  readonly holdings: readonly (readonly string[])[];
};

/** By node, what is held from other agents, and the tickets beneath it that count. */
export async function unreported(queries: Queries, now: Instant): Promise<Unreported[]> {
  return await queries.rows<Unreported>(
    `select n.node, n.ip, n.sslport, p.public_key as "publicKey",
       array(
         select t.id from holdings h join tickets t on t.holding = h.id
         where h.node = n.node and h.issuer <> n.node and t.account = h.account and t.state in ('issued', 'redeemed')
         order by t.issued, t.id) as tickets,
       coalesce((
         select json_agg(h.lineage order by h.id) from holdings h
         where h.node = n.node and h.issuer <> n.node and h.valid_to > to_timestamp($1)
       ), '[]') as holdings
     from nodes n join principals p on p.name = n.node
     where n.sslport is not null and exists (
       select from holdings h where h.node = n.node and h.issuer <> n.node and h.term_end > to_timestamp($1))
     order by n.node`,
    [now],
  );
}

/** Nothing more is split from holdings whose node says that they were closed. */
export async function stopSplitting(
  queries: Queries,
  node: KeyName,
  ids: readonly DocumentId[],
  now: Instant,
): Promise<void> {
  await queries.run(
    `update holdings set valid_to = greatest(valid_from + interval '1 second', to_timestamp($3))
     where node = $1 and issuer <> node and id = any($2::text[]) and valid_to > to_timestamp($3)`,
    [node, ids, now],
  );
}
