import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { KeyName } from "#shared/identity/key.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Flow } from "../flows/flow.ts";

/** Whose sliver it is, written down because the lease may be long over when somebody asks. */
export type FlowParty = { readonly slice: string; readonly principal: KeyName; readonly lease: string };

export type RecordedFlow = FlowParty &
  Pick<Flow, "remote" | "remotePort"> & {
    readonly sent: boolean;
    readonly began: Instant;
    /** Absent: it goes on, as far as anybody knows. */
    readonly ended?: Instant;
  };

type FlowRow = Omit<RecordedFlow, "ended" | "sent"> & { ended: number | null; sent: number };

/** A minute in which a slice began more connections than are recorded one by one. */
export type CountedFlows = FlowParty & { readonly minute: Instant; readonly count: number };

export type FlowQuestion = {
  readonly protocol: "tcp" | "udp";
  readonly port: number;
  /** Both included. */
  readonly from: Instant;
  readonly until: Instant;
  readonly remote?: string;
};

/** How long flows are kept: complaints come late, and nobody's traffic is kept for ever. */
export const KEPT_SECONDS = 2 * 86_400;
/** About 150 MB. Beyond it the oldest are forgotten first. */
const MOST_FLOWS = 1_000_000;
const MOST_ANSWERS = 200;

const SCHEMA = `
create table if not exists parties (
  id integer primary key,
  lease text not null unique,
  slice text not null,
  principal text not null
) strict;
create table if not exists flows (
  id integer primary key,
  party integer not null references parties (id),
  protocol text not null,
  node_port integer not null,
  remote text not null,
  remote_port integer not null,
  sent integer not null,
  began integer not null,
  ended integer,
  connection text not null
) strict;
create index if not exists flows_by_port on flows (node_port, began);
create index if not exists flows_going_on on flows (connection) where ended is null;
create table if not exists counted (
  party integer not null references parties (id),
  minute integer not null,
  count integer not null,
  primary key (party, minute)
) strict, without rowid;
create table if not exists watches (began integer primary key, seen integer not null) strict;
`;

/**
 * Which slice had which flow, for two days, in a file of its own beside the node's store: losing it loses no promise, so it
 * is written without waiting for the disk, and one that can't be read is begun anew.
 */
export class FlowRecords implements Disposable {
  readonly #db: DatabaseSync;

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  static open(state: string): FlowRecords {
    mkdirSync(state, { recursive: true, mode: 0o700 });
    const path = join(state, "flows.sqlite");
    try {
      return new FlowRecords(opened(path));
    } catch (error) {
      if ((error as { code?: string }).code !== "ERR_SQLITE_ERROR") throw error;
      for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
      return new FlowRecords(opened(path));
    }
  }

  /** Everything in `work` is one change. */
  together(work: () => void): void {
    this.#db.exec("BEGIN");
    try {
      work();
      this.#db.exec("COMMIT");
    } catch (error) {
      this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  begin(
    { protocol, nodePort, remote, remotePort, sent }: Flow,
    party: FlowParty,
    id: string,
    at: Instant,
  ): void {
    this.#run(
      `insert into flows (party, protocol, node_port, remote, remote_port, sent, began, connection)
       values (?, ?, ?, ?, ?, ?, ?, ?)`,
      ...[this.#party(party), protocol, nodePort, remote, remotePort, sent ? 1 : 0, at, id],
    );
  }

  end(connection: string, at: Instant): void {
    this.#run("update flows set ended = ? where connection = ? and ended is null", at, connection);
  }

  count(party: FlowParty, minute: Instant): void {
    const sql =
      "insert into counted (party, minute, count) values (?, ?, 1) on conflict do update set count = count + 1";
    this.#run(sql, this.#party(party), minute);
  }

  /** Connections that go on, as far as is recorded. */
  goingOn(): Set<string> {
    const rows = this.#db.prepare("select distinct connection as id from flows where ended is null").all();
    return new Set(rows.map((row) => String(row.id)));
  }

  /** Notes that everything from `began` to `seen` was watched. */
  watched(began: Instant, seen: Instant): void {
    this.#run(
      "insert into watches (began, seen) values (?, ?) on conflict do update set seen = ?",
      began,
      seen,
      seen,
    );
  }

  /** Whether all of that time was watched, but for its future. */
  wasWatched({ from, until }: Pick<FlowQuestion, "from" | "until">, now: Instant): boolean {
    const sql = "select 1 from watches where began <= ? and seen >= ? limit 1";
    return this.#db.prepare(sql).get(from, Math.min(until, now) - 15) !== undefined;
  }

  /** The latest first. */
  find({ protocol, port, from, until, remote }: FlowQuestion): RecordedFlow[] {
    const rows = this.#db
      .prepare(
        `select p.slice, p.principal, p.lease, f.remote, f.remote_port as remotePort, f.sent, f.began, f.ended
           from flows f join parties p on p.id = f.party
          where f.node_port = ? and f.protocol = ? and f.began <= ? and coalesce(f.ended, f.began + 1000000000) >= ?
            and (? is null or f.remote = ?)
          order by f.began desc limit ${MOST_ANSWERS}`,
      )
      .all(port, protocol, until, from, remote ?? null, remote ?? null);
    return (rows as unknown as FlowRow[]).map(({ ended, sent, ...rest }) => ({
      ...{ ...rest, sent: sent === 1 },
      ...(ended !== null && { ended }),
    }));
  }

  /** Who had more flows in that time than are recorded. */
  countedIn({ from, until }: Pick<FlowQuestion, "from" | "until">): CountedFlows[] {
    return this.#db
      .prepare(
        `select p.slice, p.principal, p.lease, c.minute, c.count from counted c join parties p on p.id = c.party
          where c.minute <= ? and c.minute + 60 > ? order by c.minute desc limit ${MOST_ANSWERS}`,
      )
      .all(until, from) as unknown as CountedFlows[];
  }

  /** Forgets what is too old or too much. */
  prune(now: Instant): void {
    const before = now - KEPT_SECONDS;
    this.#run("delete from flows where ended < ?", before);
    this.#run("delete from flows where id <= (select max(id) from flows) - ?", MOST_FLOWS);
    this.#run("delete from counted where minute < ?", before);
    this.#run("delete from watches where seen < ?", before);
    this.#run(
      `delete from parties where id not in (select party from flows) and id not in (select party from counted)`,
    );
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  #party({ slice, principal, lease }: FlowParty): number {
    this.#run(
      "insert into parties (lease, slice, principal) values (?, ?, ?) on conflict do nothing",
      lease,
      slice,
      principal,
    );
    return Number(this.#db.prepare("select id from parties where lease = ?").get(lease)!.id);
  }

  #run(sql: string, ...values: (string | number | null)[]): void {
    this.#db.prepare(sql).run(...values);
  }
}

function opened(path: string): DatabaseSync {
  const db = new DatabaseSync(path);
  try {
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA busy_timeout = 2000; ${SCHEMA}`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
