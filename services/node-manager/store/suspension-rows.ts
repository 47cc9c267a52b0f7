import type { Instant } from "#shared/model/time.ts";
import type { StoreDatabase, Tx } from "./database.ts";

/** Who may want a sliver stopped: each wants it for itself, and takes back nothing but its own word. */
export const SUSPENDERS = ["owner", "revocation"] as const;
export type Suspender = (typeof SUSPENDERS)[number];

/** Why a lease's sliver is stopped and kept. */
export type Suspension = { readonly by: Suspender; readonly since: Instant; readonly reason: string };

const COLUMNS = "wanted_by as by, since, reason";

/** Leases that are suspended. They go with their lease. */
export class SuspensionRows {
  readonly #db: StoreDatabase;

  constructor(db: StoreDatabase) {
    this.#db = db;
  }

  /** Everybody who wants this lease suspended, the first one first; nobody: it is not. */
  of(lease: string): Suspension[] {
    return this.#db.all(
      `select ${COLUMNS} from suspensions where lease = ? order by since, wanted_by`,
      lease,
    );
  }

  has(lease: string): boolean {
    return this.#db.get("select 1 from suspensions where lease = ?", lease) !== undefined;
  }

  /** Whether it is new; what was said before stays. */
  add(tx: Tx, lease: string, { by, since, reason }: Suspension): boolean {
    const sql =
      "insert into suspensions (lease, wanted_by, since, reason) values (?, ?, ?, ?) on conflict do nothing";
    return this.#db.write(tx, sql, lease, by, since, reason) === 1;
  }

  /** Whether it was there. */
  remove(tx: Tx, lease: string, by: Suspender): boolean {
    return this.#db.write(tx, "delete from suspensions where lease = ? and wanted_by = ?", lease, by) === 1;
  }
}

/** What people are told of a sliver that does not run because somebody wants that. */
export function suspensionSentence([suspension]: readonly Suspension[]): string | undefined {
  if (!suspension) return undefined;
  const why = suspension.reason === "" ? "" : `: ${suspension.reason}`;
  switch (suspension.by) {
    case "owner":
      return `suspended by the node's owner${why}; its disk and its lease are kept`;
    case "revocation":
      return `suspended because of a revocation${why}; its disk and its lease are kept`;
    default:
      return suspension.by satisfies never;
  }
}
