import type { Charge } from "#shared/model/account.ts";
import { type Share, shareOfOne } from "#shared/model/resources.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant, Term } from "#shared/model/time.ts";
import type { StoreDatabase, Tx } from "./database.ts";

type Row = {
  from_time: number;
  until_time: number;
  cpu_millis: number;
  memory_mib: number;
  disk_mib: number;
  egress_kbps: number;
};

/** What leases take: of the node itself, and of every holding above their tickets. */
export class ChargeRows {
  readonly #db: StoreDatabase;

  constructor(db: StoreDatabase) {
    this.#db = db;
  }

  /** Counts a lease against a holding for a time. */
  add(tx: Tx, lease: string, holding: DocumentId, during: Term): void {
    const sql = "insert into charges (lease, holding, from_time, until_time) values (?, ?, ?, ?)";
    this.#db.write(tx, sql, lease, holding, during.start, during.end);
  }

  /** Lets a lease count against its holdings only until `at`: what comes after counts under another ticket. */
  cut(tx: Tx, lease: string, at: Instant): void {
    this.#db.write(tx, "delete from charges where lease = ? and from_time >= ?", lease, at);
    const sql = "update charges set until_time = ? where lease = ? and until_time > ?";
    this.#db.write(tx, sql, at, lease, at);
  }

  /**
   * What counts against an account within a time. A lease that stands under several holdings of one account counts
   * once.
   */
  ofAccount(account: DocumentId, during: Term): Charge[] {
    return this.#db
      .all<Row>(
        `select distinct c.lease, c.from_time, c.until_time, l.cpu_millis, l.memory_mib, l.disk_mib, l.egress_kbps
           from charges c join holdings h on h.id = c.holding join leases l on l.serial = c.lease
          where h.account = ? and c.from_time < ? and c.until_time > ?`,
        ...[account, during.end, during.start],
      )
      .map(fromRow);
  }

  /** What counts against the node itself within a time: every lease but `except`. */
  ofNode(during: Term, except?: string): Charge[] {
    return this.#db
      .all<Row>(
        `select charged_from as from_time, renewable_until as until_time, cpu_millis, memory_mib, disk_mib, egress_kbps
           from leases where charged_from < ? and renewable_until > ? and serial is not ?`,
        ...[during.end, during.start, except ?? null],
      )
      .map(fromRow);
  }

  /** The holdings that a lease counts against now or later. */
  ofLease(lease: string, now: Instant): DocumentId[] {
    const sql = "select distinct holding from charges where lease = ? and until_time > ? order by holding";
    return this.#db.all<{ holding: string }>(sql, lease, now).map((row) => row.holding);
  }

  /** Serials of the leases that stand beneath a holding. */
  beneath(holding: DocumentId): string[] {
    const sql = "select distinct lease from charges where holding = ? order by lease";
    return this.#db.all<{ lease: string }>(sql, holding).map((row) => row.lease);
  }
}

function fromRow(row: Row): Charge {
  const share: Share = shareOfOne({
    cpuMillis: row.cpu_millis,
    memoryMib: row.memory_mib,
    diskMib: row.disk_mib,
    egressKbps: row.egress_kbps,
  });
  return { share, during: { start: row.from_time, end: row.until_time } };
}
