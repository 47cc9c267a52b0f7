import type { KeyName } from "#shared/identity/key.ts";
import type { Lease } from "#shared/model/lease.ts";
import type { PortRange } from "#shared/model/ports.ts";
import type { Resources } from "#shared/model/resources.ts";
import type { EngineName } from "#shared/model/ticket.ts";
import type { Instant, Term } from "#shared/model/time.ts";
import { parseDocument } from "#shared/wire/document.ts";
import { readLease } from "#shared/wire/lease-document.ts";
import type { SliverId } from "../backends/backend.ts";
import type { StoreDatabase, Tx } from "./database.ts";

/**
 * How far a lease has come. `creating`: promised, its machine is being made. `live`. `deleting`: ended, its machine is
 * being removed. `undoing`: its machine could not be made; what was made of it is being removed, then the ticket is
 * usable again.
 */
export type LeaseState = "creating" | "live" | "deleting" | "undoing";

/** A lease as the node keeps it, from the promise until its machine is gone. */
export type StoredLease = {
  readonly serial: string;
  readonly slice: string;
  readonly principal: KeyName;
  readonly sliver: SliverId;
  readonly state: LeaseState;
  readonly engine: EngineName;
  readonly term: Term;
  readonly renewableUntil: Instant;
  /** Seconds a renewal adds when it doesn't say how much. */
  readonly originalLength: number;
  readonly chargedFrom: Instant;
  readonly resources: Resources;
  /** The signed lease, whole. */
  readonly document: string;
};

type Row = {
  serial: string;
  slice: string;
  principal: string;
  sliver: string;
  state: LeaseState;
  engine: EngineName;
  start_time: number;
  end_time: number;
  renewable_until: number;
  original_length: number;
  charged_from: number;
  cpu_millis: number;
  memory_mib: number;
  disk_mib: number;
  egress_kbps: number;
  document: string;
};

/** Leases by their states. No two for one slice: the table refuses a second (see `insert`). */
export class LeaseRows {
  readonly #db: StoreDatabase;

  constructor(db: StoreDatabase) {
    this.#db = db;
  }

  all(): StoredLease[] {
    return this.#db.all<Row>("select * from leases order by slice").map(fromRow);
  }

  inState(state: LeaseState): StoredLease[] {
    return this.#db.all<Row>("select * from leases where state = ? order by slice", state).map(fromRow);
  }

  bySerial(serial: string): StoredLease | undefined {
    return this.#one("select * from leases where serial = ?", serial);
  }

  ofSlice(slice: string): StoredLease | undefined {
    return this.#one("select * from leases where slice = ?", slice);
  }

  ofSliver(sliver: SliverId): StoredLease | undefined {
    return this.#one("select * from leases where sliver = ?", sliver);
  }

  /** When the next live lease ends. */
  nextEnd(): Instant | undefined {
    const row = this.#db.get<{ at: number | null }>(
      "select min(end_time) as at from leases where state = 'live'",
    );
    return row?.at ?? undefined;
  }

  /** Writes a new lease, or nothing where one of that slice is there: then it says false. */
  insert(tx: Tx, lease: StoredLease): boolean {
    const { term, resources: r } = lease;
    const written = this.#db.write(
      tx,
      `insert into leases (serial, slice, principal, sliver, state, engine, start_time, end_time, renewable_until,
         original_length, charged_from, cpu_millis, memory_mib, disk_mib, egress_kbps, document)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (slice) do nothing`,
      ...[lease.serial, lease.slice, lease.principal, lease.sliver, lease.state, lease.engine],
      ...[term.start, term.end, lease.renewableUntil, lease.originalLength, lease.chargedFrom],
      ...[r.cpuMillis, r.memoryMib, r.diskMib, r.egressKbps, lease.document],
    );
    return written === 1;
  }

  /** Moves a lease on, if it stands in `from`: a lease goes one way, whoever calls twice. */
  move(tx: Tx, serial: string, from: LeaseState, to: LeaseState): boolean {
    const sql = "update leases set state = ? where serial = ? and state = ?";
    return this.#db.write(tx, sql, to, serial, from) === 1;
  }

  extend(tx: Tx, serial: string, end: Instant, renewableUntil: Instant, document: string): void {
    const sql = "update leases set end_time = ?, renewable_until = ?, document = ? where serial = ?";
    this.#db.write(tx, sql, end, renewableUntil, document, serial);
  }

  /** Forgets a lease, its keys and its charges. */
  delete(tx: Tx, serial: string): void {
    this.#db.write(tx, "delete from leases where serial = ?", serial);
  }

  #one(sql: string, value: string): StoredLease | undefined {
    const row = this.#db.get<Row>(sql, value);
    return row && fromRow(row);
  }
}

/** What the signed lease itself says. Its signature was verified when the store was opened, or made here. */
export function leaseOf(stored: StoredLease): Lease {
  return readLease(parseDocument(stored.document));
}

/** The ports a lease has on the node's address. */
export function portsOf(stored: StoredLease): readonly PortRange[] {
  return leaseOf(stored).ports;
}

function fromRow(row: Row): StoredLease {
  return {
    serial: row.serial,
    slice: row.slice,
    principal: row.principal,
    sliver: row.sliver,
    state: row.state,
    engine: row.engine,
    term: { start: row.start_time, end: row.end_time },
    renewableUntil: row.renewable_until,
    originalLength: row.original_length,
    chargedFrom: row.charged_from,
    resources: {
      cpuMillis: row.cpu_millis,
      memoryMib: row.memory_mib,
      diskMib: row.disk_mib,
      egressKbps: row.egress_kbps,
    },
    document: row.document,
  };
}
