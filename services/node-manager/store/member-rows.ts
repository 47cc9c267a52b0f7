import type { KeyName } from "#shared/identity/key.ts";
import type { Instant } from "#shared/model/time.ts";
import type { StoreDatabase, Tx } from "./database.ts";

/** Somebody an agent has put out of one of its slices. */
export type Exclusion = { readonly agent: KeyName; readonly slice: string; readonly principal: KeyName };

/** Members of leases, who go with their lease, and whom agents have put out of slices. */
export class MemberRows {
  readonly #db: StoreDatabase;

  constructor(db: StoreDatabase) {
    this.#db = db;
  }

  /** In the order in which they came. */
  of(lease: string): KeyName[] {
    const sql = "select principal from lease_members where lease = ? order by since, principal";
    return this.#db.all<{ principal: KeyName }>(sql, lease).map((row) => row.principal);
  }

  has(lease: string, principal: KeyName): boolean {
    const sql = "select 1 from lease_members where lease = ? and principal = ?";
    return this.#db.get(sql, lease, principal) !== undefined;
  }

  count(lease: string): number {
    const sql = "select count(*) as count from lease_members where lease = ?";
    return this.#db.get<{ count: number }>(sql, lease)!.count;
  }

  add(tx: Tx, lease: string, principal: KeyName, now: Instant): void {
    const sql = "insert into lease_members (lease, principal, since) values (?, ?, ?) on conflict do nothing";
    this.#db.write(tx, sql, lease, principal, now);
  }

  /** Puts somebody out of a lease, with the SSH keys that they let in. Whether they were in. */
  remove(tx: Tx, lease: string, principal: KeyName): boolean {
    this.#db.write(tx, "delete from ssh_keys where lease = ? and added_by = ?", lease, principal);
    const sql = "delete from lease_members where lease = ? and principal = ?";
    return this.#db.write(tx, sql, lease, principal) === 1;
  }

  isExcluded({ agent, slice, principal }: Exclusion): boolean {
    const sql = "select 1 from exclusions where agent = ? and slice = ? and principal = ?";
    return this.#db.get(sql, agent, slice, principal) !== undefined;
  }

  exclude(tx: Tx, { agent, slice, principal }: Exclusion): void {
    const sql = "insert into exclusions (agent, slice, principal) values (?, ?, ?) on conflict do nothing";
    this.#db.write(tx, sql, agent, slice, principal);
  }

  readmit(tx: Tx, { agent, slice, principal }: Exclusion): void {
    const sql = "delete from exclusions where agent = ? and slice = ? and principal = ?";
    this.#db.write(tx, sql, agent, slice, principal);
  }

  /** The last of an agent's changes that is known here; 0: none. */
  mark(agent: KeyName): number {
    const sql = "select number from membership_marks where agent = ?";
    return this.#db.get<{ number: number }>(sql, agent)?.number ?? 0;
  }

  setMark(tx: Tx, agent: KeyName, number: number): void {
    const sql =
      "insert into membership_marks (agent, number) values (?, ?) on conflict do update set number = excluded.number";
    this.#db.write(tx, sql, agent, number);
  }
}
