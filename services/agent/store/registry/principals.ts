import type { KeyName } from "#shared/identity/key.ts";
import type { Queries, Tx } from "#shared/runtime/database.ts";

/** What principals are, which decides the privileges they are given when nothing is said. */
const ROLES = ["researcher", "pi", "administrator", "node", "agent"] as const;
export type Role = (typeof ROLES)[number];

export type Principal = {
  readonly name: KeyName;
  readonly sha1: string;
  /** What an administrator calls it. */
  readonly label: string;
  readonly role: Role;
  readonly site: string | null;
  readonly suspended: boolean;
  /** Suspended for good: its key was revoked. */
  readonly revoked: boolean;
};

const COLUMNS = "name, sha1, label, role, site, suspended, revoked is not null as revoked";

export async function principalNamed(queries: Queries, name: KeyName): Promise<Principal | undefined> {
  return await queries.row<Principal>(
    { name: "principal", text: `select ${COLUMNS} from principals where name = $1` },
    [name],
  );
}

/** By what an administrator calls it, or by its key's name. */
export async function findPrincipal(queries: Queries, labelOrName: string): Promise<Principal | undefined> {
  return await queries.row<Principal>(`select ${COLUMNS} from principals where label = $1 or name = $1`, [
    labelOrName,
  ]);
}

export async function allPrincipals(queries: Queries): Promise<Principal[]> {
  return await queries.rows<Principal>(`select ${COLUMNS} from principals order by role, label`);
}

/** What it is until the transaction ends: whoever suspends it or changes its role waits. */
export async function lockPrincipal(tx: Tx, name: KeyName): Promise<Principal | undefined> {
  return await tx.row<Principal>(`select ${COLUMNS} from principals where name = $1 for share`, [name]);
}
