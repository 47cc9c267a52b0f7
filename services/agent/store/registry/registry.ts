import type { KeyName, PublicKey } from "#shared/identity/key.ts";
import type { Capability } from "#shared/model/capability.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";
import type { Privilege, SliceType } from "../../registry/privilege.ts";
import type { Role } from "./principals.ts";

/** Where a node is, as far as anybody knows. */
export type Location = {
  readonly latitude?: number;
  readonly longitude?: number;
  /** Two lower-case letters (ISO 3166-1). */
  readonly country?: string;
  readonly region?: string;
  /** Whatever else descriptions may ask for, as name=value. */
  readonly tags?: readonly string[];
};

export type Site = { readonly name: string; readonly nodes: number; readonly principals: number };

export type RegisteredNode = {
  readonly node: KeyName;
  readonly label: string;
  readonly ip: string;
  readonly site: string | null;
  readonly suspended: boolean;
  readonly heard: Instant | null;
  /** Since when nothing new is issued for it. */
  readonly drained: Instant | null;
  readonly retired: Instant | null;
  /** Its own factor, per mille; null: it has the agent's. */
  readonly overbooking: number | null;
};

export type GrantedPrivilege = Omit<Privilege, "id"> & {
  readonly id: number;
  readonly label: string;
  readonly validTo: Instant;
};

export async function insertSite(tx: Tx, name: string, now: Instant): Promise<void> {
  await tx.run("insert into sites (name, added) values ($1, to_timestamp($2))", [name, now]);
}

export async function siteExists(queries: Queries, name: string): Promise<boolean> {
  return (await queries.row("select from sites where name = $1", [name])) !== undefined;
}

export async function insertPrincipal(
  tx: Tx,
  key: PublicKey,
  terms: { readonly label: string; readonly role: Role; readonly site?: string },
  now: Instant,
): Promise<void> {
  await tx.run(
    `insert into principals (name, sha1, public_key, label, role, site, added)
     values ($1, $2, $3, $4, $5, $6, to_timestamp($7))`,
    [key.name, key.sha1, key.spki, terms.label, terms.role, terms.site ?? null, now],
  );
}

/** Gives a principal what its role gets when nothing is said. */
export async function copyRolePrivileges(
  tx: Tx,
  principal: KeyName,
  role: Role,
  now: Instant,
): Promise<void> {
  await tx.run(
    `insert into privileges (principal, slice_type, max_nodes, max_lease_seconds, max_renewable_seconds, capabilities,
       valid_from)
     select $1, slice_type, max_nodes, max_lease_seconds, max_renewable_seconds, capabilities, to_timestamp($3)
     from role_privileges where role = $2`,
    [principal, role, now],
  );
}

export async function insertNode(tx: Tx, node: KeyName, ip: string, where: Location): Promise<void> {
  await tx.run(
    `insert into nodes (node, ip, latitude, longitude, country, region, tags) values ($1, $2, $3, $4, $5, $6, $7)`,
    [
      node,
      ip,
      where.latitude ?? null,
      where.longitude ?? null,
      where.country ?? null,
      where.region ?? null,
      where.tags ?? [],
    ],
  );
}

export async function insertPrivilege(
  tx: Tx,
  principal: KeyName,
  privilege: Omit<Privilege, "id"> & { readonly validTo?: Instant },
  now: Instant,
): Promise<number> {
  const row = await tx.row<{ id: number }>(
    `insert into privileges (principal, slice_type, max_nodes, max_lease_seconds, max_renewable_seconds, capabilities,
       valid_from, valid_to)
     values ($1, $2, $3, $4, $5, $6, to_timestamp($7), to_timestamp($8)) returning id`,
    [
      principal,
      privilege.sliceType,
      privilege.maxNodes,
      privilege.maxLeaseSeconds,
      privilege.maxRenewableSeconds,
      privilege.capabilities,
      now,
      privilege.validTo ?? Number.POSITIVE_INFINITY,
    ],
  );
  return row!.id;
}

/** False: there is no such privilege. Waits for tickets that are being issued under it. */
export async function deletePrivilege(tx: Tx, id: number): Promise<boolean> {
  return (await tx.run("delete from privileges where id = $1", [id])) === 1;
}

/** False: there is no such principal. */
export async function setSuspended(tx: Tx, principal: KeyName, suspended: boolean): Promise<boolean> {
  return (await tx.run("update principals set suspended = $2 where name = $1", [principal, suspended])) === 1;
}

/** False: it is a node, or there is none. */
export async function setRole(tx: Tx, principal: KeyName, role: Role): Promise<boolean> {
  const changed = await tx.run("update principals set role = $2 where name = $1 and role <> 'node'", [
    principal,
    role,
  ]);
  return changed === 1;
}

export async function allSites(queries: Queries): Promise<Site[]> {
  return await queries.rows<Site>(
    `select s.name, count(*) filter (where p.role = 'node') as nodes,
       count(*) filter (where p.role <> 'node') as principals
     from sites s left join principals p on p.site = s.name group by s.name order by s.name`,
  );
}

export async function allNodes(queries: Queries): Promise<RegisteredNode[]> {
  return await queries.rows<RegisteredNode>(
    `select n.node, p.label, n.ip, p.site, p.suspended, n.heard, n.drained, n.retired, n.overbooking
     from nodes n join principals p on p.name = n.node order by n.ip::inet`,
  );
}

export async function allPrivileges(queries: Queries): Promise<GrantedPrivilege[]> {
  const rows = await queries.rows<{
    id: number;
    label: string;
    slice_type: SliceType;
    max_nodes: number;
    max_lease_seconds: number;
    max_renewable_seconds: number;
    capabilities: Capability[];
    valid_to: Instant;
  }>(
    `select v.id, p.label, v.slice_type, v.max_nodes, v.max_lease_seconds, v.max_renewable_seconds, v.capabilities,
       v.valid_to
     from privileges v join principals p on p.name = v.principal order by p.label, v.id`,
  );
  return rows.map((row) => ({
    id: row.id,
    label: row.label,
    sliceType: row.slice_type,
    maxNodes: row.max_nodes,
    maxLeaseSeconds: row.max_lease_seconds,
    maxRenewableSeconds: row.max_renewable_seconds,
    capabilities: row.capabilities,
    validTo: row.valid_to,
  }));
}
