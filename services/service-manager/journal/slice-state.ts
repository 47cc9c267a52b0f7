import { type PublicKey, publicKeyFromSpki } from "#shared/identity/key.ts";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import type { Lease } from "#shared/model/lease.ts";
import { isSliceName } from "#shared/model/slice-name.ts";
import type { DocumentId, SliceTicket } from "#shared/model/ticket.ts";
import { openIssuedTicket } from "#shared/wire/chain.ts";
import { parseDocument } from "#shared/wire/document.ts";
import { openLease } from "#shared/wire/lease-document.ts";
import { checkPrivateDirectory, listPrivate, readPrivate } from "./private-file.ts";
import { LEASE_SUFFIX, type SlicePaths, slicePaths, slicesDirectory, TICKET_SUFFIX } from "./slice-paths.ts";
import { readRecord, type SliceRecord } from "./slice-record.ts";

export type HeldTicket = { readonly id: DocumentId; readonly text: string; readonly ticket: SliceTicket };
export type HeldLease = { readonly text: string; readonly lease: Lease };

/** A slice as its journal tells it. */
export type SliceState = {
  readonly record: SliceRecord;
  readonly paths: SlicePaths;
  readonly tickets: ReadonlyMap<DocumentId, HeldTicket>;
  /** By node: a slice has at most one lease on each. */
  readonly leases: ReadonlyMap<string, HeldLease>;
};

/** The names of all slices in the journal. */
export async function sliceNames(home: string): Promise<string[]> {
  return (await listPrivate(slicesDirectory(home))).filter(isSliceName);
}

/** Reads a slice, every document verified again. Undefined when there is none, or one that was never begun. */
export async function readSlice(home: string, name: string): Promise<SliceState | undefined> {
  const paths = slicePaths(home, name);
  const text = await readPrivate(paths.record);
  if (!text) return undefined;
  await checkPrivateDirectory(slicesDirectory(home));
  await checkPrivateDirectory(paths.directory);
  const record = readRecord(text.toString("utf8"), name);
  const [tickets, leases] = await Promise.all([readTickets(paths, record), readLeases(paths, record)]);
  return { record, paths, tickets, leases };
}

/** The slice, or NO_SLICE. */
export async function existingSlice(home: string, name: string): Promise<SliceState> {
  const state = await readSlice(home, name);
  if (!state) throw noSlice(name);
  return state;
}

export function noSlice(name: string): Fault {
  return new Fault("NO_SLICE", `slice ${name} does not exist here; slice list shows those that do`);
}

async function readTickets(paths: SlicePaths, record: SliceRecord): Promise<Map<DocumentId, HeldTicket>> {
  const keys = new Map(record.ticketKeys.map((spki) => keyByName(spki)));
  const files = (await listPrivate(paths.tickets)).filter((name) => name.endsWith(TICKET_SUFFIX));
  const tickets = await Promise.all(
    files.map(async (file) => {
      const id = file.slice(0, -TICKET_SUFFIX.length);
      const text = (await readPrivate(paths.ticket(id)))?.toString("utf8");
      if (text === undefined) return undefined; // redeemed or given back since it was listed
      return unaltered(paths.ticket(id), () => heldTicket(text, keys, id));
    }),
  );
  return new Map(tickets.filter((t) => t !== undefined).map((t) => [t.id, t]));
}

function keyByName(spki: string): [string, PublicKey] {
  const key = publicKeyFromSpki(Buffer.from(spki, "base64"));
  return [key.name, key];
}

function heldTicket(text: string, keys: ReadonlyMap<string, PublicKey>, id: string): HeldTicket {
  const key = keys.get(parseDocument(text).keyName);
  if (!key) throw new Fault("UNKNOWN_KEY", "no agent of this slice signed it");
  const link = openIssuedTicket(text, [key]);
  if (link.id !== id) throw new Fault("BAD_CHAIN", "it is another ticket than its name says");
  return { id, text, ticket: link.ticket };
}

async function readLeases(paths: SlicePaths, record: SliceRecord): Promise<Map<string, HeldLease>> {
  const files = (await listPrivate(paths.leases)).filter((name) => name.endsWith(LEASE_SUFFIX));
  const leases = await Promise.all(
    files.map(async (file) => {
      const node = file.slice(0, -LEASE_SUFFIX.length);
      const [text, key] = await Promise.all([
        readPrivate(paths.lease(node)),
        readPrivate(paths.nodeKey(node)),
      ]);
      if (!text) return undefined; // ended since it was listed
      return unaltered(paths.lease(node), () => heldLease(text.toString("utf8"), key, node, record));
    }),
  );
  return new Map(leases.filter((l) => l !== undefined).map((l) => [l.lease.node, l]));
}

/** The key beside a lease needs no trust: it must be the one that names the node. */
function heldLease(text: string, spki: Buffer | undefined, node: string, record: SliceRecord): HeldLease {
  const key = publicKeyFromSpki(Buffer.from(spki?.toString("latin1").trim() ?? "", "base64"));
  if (key.name !== node) throw new Fault("UNKNOWN_KEY", "the key beside it is not that node's");
  const lease = openLease(text, key);
  if (lease.slice !== record.name) throw new Fault("BAD_CHAIN", "it is another slice's");
  return { text, lease };
}

function unaltered<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw new OperatorError(
      `${path} was altered or damaged (${cause.sentence}); put it back from a copy, or remove it`,
      {
        cause,
      },
    );
  }
}
