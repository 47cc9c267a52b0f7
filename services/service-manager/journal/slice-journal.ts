import { appendFile, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { PublicKey } from "#shared/identity/key.ts";
import { newSshKeyPair } from "#shared/identity/ssh-key.ts";
import { OperatorError } from "#shared/model/errors.ts";
import type { Lease } from "#shared/model/lease.ts";
import {
  removeDurably,
  removeUnfinished,
  syncDirectory,
  unlessFull,
  writeDurably,
} from "#shared/runtime/durable-file.ts";
import { lockFile } from "#shared/runtime/lock-file.ts";
import { listPrivate, makePrivateDirectory, readPrivate } from "./private-file.ts";
import {
  LEASE_SUFFIX,
  lockPath,
  type SlicePaths,
  slicePaths,
  slicesDirectory,
  TICKET_SUFFIX,
} from "./slice-paths.ts";
import { type SliceRecord, writeRecord } from "./slice-record.ts";
import { type HeldLease, type HeldTicket, noSlice, readSlice, type SliceState } from "./slice-state.ts";

/** What a slice begins with. */
export type Beginning = {
  readonly record: SliceRecord;
  readonly description: string;
  /** Contents of the program's files by their SHA-256. */
  readonly files: ReadonlyMap<string, Buffer>;
};

/**
 * The journal of one slice, held by one process: every step is on the disk before the next one is taken, in an order
 * that lets a rerun after any kill know of everything that may exist elsewhere. A ticket is here before it is used, a
 * lease before its ticket is forgotten, an ask before it is made.
 */
export class SliceJournal implements Disposable {
  readonly name: string;
  readonly paths: SlicePaths;
  readonly #home: string;
  readonly #lock: Disposable;
  #record: SliceRecord | undefined;
  readonly #tickets: Map<string, HeldTicket>;
  readonly #leases: Map<string, HeldLease>;
  #lastWrite: Promise<unknown> = Promise.resolve();

  private constructor(home: string, name: string, lock: Disposable, state: SliceState | undefined) {
    this.#home = home;
    this.name = name;
    this.paths = slicePaths(home, name);
    this.#lock = lock;
    this.#record = state?.record;
    this.#tickets = new Map(state?.tickets);
    this.#leases = new Map(state?.leases);
  }

  /**
   * Takes a slice for this process alone, whether it exists or not. Throws BUSY when another process has it, and has it
   * still after so many milliseconds.
   */
  static async open(home: string, name: string, withinMs = 0): Promise<SliceJournal> {
    const path = lockPath(home, name);
    await mkdir(home, { recursive: true, mode: 0o700 });
    await makePrivateDirectory(join(home, "locks"), home);
    const lock = await lockFile(path, `slice ${name}`, withinMs);
    try {
      const state = await readSlice(home, name);
      const journal = new SliceJournal(home, name, lock, state);
      if (state) await journal.#tidy();
      return journal;
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  /** As `open`, for what must exist already: else NO_SLICE. */
  static async openExisting(home: string, name: string, withinMs = 0): Promise<SliceJournal> {
    if (!(await readSlice(home, name))) throw noSlice(name);
    const journal = await SliceJournal.open(home, name, withinMs);
    if (journal.begun) return journal;
    journal[Symbol.dispose]();
    throw noSlice(name);
  }

  get begun(): boolean {
    return this.#record !== undefined;
  }

  get record(): SliceRecord {
    if (!this.#record) throw noSlice(this.name);
    return this.#record;
  }

  /** The slice as it is now, for whoever only looks. */
  get state(): SliceState {
    return { record: this.record, paths: this.paths, tickets: this.#tickets, leases: this.#leases };
  }

  get tickets(): ReadonlyMap<string, HeldTicket> {
    return this.#tickets;
  }

  get leases(): ReadonlyMap<string, HeldLease> {
    return this.#leases;
  }

  /** Tickets to be redeemed for a sliver, where there is none yet. */
  get redeemable(): HeldTicket[] {
    const { unwanted } = this.record;
    return [...this.#tickets.values()].filter(
      (t) => !unwanted.includes(t.id) && !this.#leases.has(t.ticket.node),
    );
  }

  get unwanted(): HeldTicket[] {
    return this.record.unwanted.map((id) => this.#tickets.get(id)).filter((t) => t !== undefined);
  }

  async description(): Promise<string> {
    return await this.#mustRead(this.paths.description);
  }

  /** The private SSH key of the slice, as OpenSSH reads it. */
  async identity(): Promise<string> {
    return await this.#mustRead(this.paths.identity);
  }

  async publicIdentity(): Promise<string> {
    return (await this.#mustRead(this.paths.publicIdentity)).trim();
  }

  /** A file of the program. */
  async file(sha256: string): Promise<Buffer> {
    const contents = await readPrivate(this.paths.programFile(sha256));
    if (!contents) throw noSlice(this.name);
    return contents;
  }

  async #mustRead(path: string): Promise<string> {
    const text = await readPrivate(path);
    if (!text) throw noSlice(this.name);
    return text.toString("utf8");
  }

  /** Writes down a new slice. The record comes last: a beginning without it is none, and is begun again. */
  async begin({ record, description, files }: Beginning): Promise<void> {
    const slices = slicesDirectory(this.#home);
    await makePrivateDirectory(slices, this.#home);
    await makePrivateDirectory(this.paths.directory, slices);
    for (const directory of [this.paths.tickets, this.paths.leases, this.paths.program]) {
      await makePrivateDirectory(directory, this.paths.directory);
    }
    await this.#refuseLeftovers();
    await this.#tidy();
    await writeDurably(this.paths.description, description);
    const pair = newSshKeyPair(`slice ${this.name}`);
    await writeDurably(this.paths.identity, pair.privateKey);
    await writeDurably(this.paths.publicIdentity, `${pair.publicKey} slice ${this.name}\n`);
    for (const [sha256, contents] of files) await writeDurably(this.paths.programFile(sha256), contents);
    await writeDurably(this.paths.record, writeRecord(record));
    this.#record = record;
  }

  /** A slice without its record is damaged, not new: its leases may be the last trace of slivers. */
  async #refuseLeftovers(): Promise<void> {
    const names = [...(await listPrivate(this.paths.tickets)), ...(await listPrivate(this.paths.leases))];
    if (names.some((name) => name.endsWith(TICKET_SUFFIX) || name.endsWith(LEASE_SUFFIX))) {
      throw new OperatorError(
        `${this.paths.directory} has tickets or leases but no slice.json; put that back from a copy, or move the directory away`,
      );
    }
  }

  /** Changes the record; changes made at the same time are made one after the other. */
  async update(change: (record: SliceRecord) => SliceRecord): Promise<void> {
    const write = this.#lastWrite.then(async () => {
      const record = change(this.record);
      await writeDurably(this.paths.record, writeRecord(record));
      this.#record = record;
    });
    this.#lastWrite = write.catch(() => undefined); // its own caller hears of it
    await write;
  }

  async keepTicket(held: HeldTicket): Promise<void> {
    await writeDurably(this.paths.ticket(held.id), held.text);
    this.#tickets.set(held.id, held);
  }

  async forgetTicket(id: string): Promise<void> {
    await removeDurably(this.paths.ticket(id));
    this.#tickets.delete(id);
    if (this.record.unwanted.includes(id)) {
      await this.update((record) => ({
        ...record,
        unwanted: record.unwanted.filter((other) => other !== id),
      }));
    }
  }

  /** Keeps a lease, new or renewed, with the key that verifies it. */
  async keepLease(text: string, lease: Lease, nodeKey: PublicKey): Promise<void> {
    await writeDurably(this.paths.nodeKey(lease.node), `${nodeKey.spki.toString("base64")}\n`);
    await writeDurably(this.paths.lease(lease.node), text);
    this.#leases.set(lease.node, { text, lease });
  }

  async forgetLease(node: string): Promise<void> {
    await removeDurably(this.paths.lease(node));
    await removeDurably(this.paths.nodeKey(node));
    this.#leases.delete(node);
  }

  /** Keeps a file of a program. The record is to name it next. */
  async keepFile(sha256: string, contents: Buffer): Promise<void> {
    await writeDurably(this.paths.programFile(sha256), contents);
  }

  /** Removes the files of programs that the record names no more. */
  async dropFiles(): Promise<void> {
    const { files, programs = [] } = this.record;
    const named = [...files, ...programs.flatMap((program) => program.files)].map(({ sha256 }) => sha256);
    for (const name of await listPrivate(this.paths.program))
      if (!named.includes(name)) await removeDurably(join(this.paths.program, name));
  }

  /** Removes the slice at one stroke: it is there whole, or not at all. */
  async remove(): Promise<void> {
    const slices = slicesDirectory(this.#home);
    const doomed = join(slices, `.removed-${this.name}`);
    await rm(doomed, { recursive: true, force: true });
    await rename(this.paths.directory, doomed);
    await syncDirectory(slices);
    this.#record = undefined;
    await rm(doomed, { recursive: true, force: true });
  }

  /** Adds a line to the slice's log, for people: never read by us, so it need not be durable. */
  async note(at: number, text: string): Promise<void> {
    const line = `${new Date(at * 1000).toISOString()} ${text.replace(/[^\x20-\x7e]/g, "?")}\n`;
    await appendFile(this.paths.log, line, { mode: 0o600 }).catch((error) => {
      throw unlessFull(this.paths.log, error);
    });
  }

  /** Removes what a killed process left half-written, tickets whose leases it had kept, leases it had given up. */
  async #tidy(): Promise<void> {
    for (const directory of [
      this.paths.directory,
      this.paths.tickets,
      this.paths.leases,
      this.paths.program,
    ]) {
      await removeUnfinished(directory);
    }
    for (const { lease } of this.#leases.values()) {
      if (this.#tickets.has(lease.ticket)) await this.forgetTicket(lease.ticket);
      if (this.record.abandoned?.some(({ serial }) => serial === lease.serial))
        await this.forgetLease(lease.node);
    }
  }

  [Symbol.dispose](): void {
    this.#lock[Symbol.dispose]();
  }
}
