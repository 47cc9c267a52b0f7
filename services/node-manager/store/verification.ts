import { isDeepStrictEqual } from "node:util";
import { type PublicKey, publicKeyFromSpki } from "#shared/identity/key.ts";
import { verifyBytes } from "#shared/identity/signature.ts";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import type { DocumentId, Holding, Ticket } from "#shared/model/ticket.ts";
import { headBytes } from "#shared/wire/audit-chain.ts";
import { parseDocument, verifyDocument } from "#shared/wire/document.ts";
import { openLease } from "#shared/wire/lease-document.ts";
import { type HeldList, openRevocations } from "#shared/wire/revocation-document.ts";
import { readTicket } from "#shared/wire/ticket-document.ts";
import { formatSshKey, parseSshKey } from "../ssh/keys.ts";
import type { Store } from "../store.ts";
import type { StoredHolding } from "./holding-rows.ts";
import type { StoredLease } from "./lease-rows.ts";
import type { StoredList } from "./revocation-rows.ts";

/**
 * Verifies every signed document in the store and compares it with the columns that repeat it: a checksum that a
 * damaged or tampered file can't pass (RELIABILITY I10). Throws OperatorError naming the first that fails.
 */
export function verifyStoredDocuments(store: Store, nodeKey: PublicKey): void {
  const holdings = new Map(store.holdings.all().map((holding) => [holding.id, holding]));
  const read = new Map<DocumentId, Holding>();

  function holdingOf(id: DocumentId): Holding {
    const known = read.get(id);
    if (known) return known;
    const stored = holdings.get(id);
    if (!stored) throw new OperatorError(`the holding ${id} is missing`);
    const holding = openTicketBody(stored.document, stored.parent, id);
    if (holding.kind !== "holding" || !agrees(stored, holding))
      throw new OperatorError("its columns were changed");
    read.set(id, holding);
    return holding;
  }

  function openTicketBody(document: string, parent: DocumentId | undefined, id: DocumentId): Ticket {
    const key = parent === undefined ? nodeKey : publicKeyFromSpki(holdingOf(parent).principalKey);
    const verified = verifyDocument(parseDocument(document), key);
    if (verified.id !== id) throw new OperatorError("it is another document");
    return readTicket(verified);
  }

  for (const { id } of holdings.values()) checked(`holding ${id}`, () => holdingOf(id));
  for (const { id, document, parent } of store.tickets.all()) {
    if (document !== undefined) checked(`ticket ${id}`, () => openTicketBody(document, parent, id));
  }
  checked("audit", () => checkAuditHead(store, nodeKey));
  for (const list of store.revocations.all())
    checked(`list of revocations of ${list.signer}`, () => heldList(list));
  for (const lease of store.leases.all()) {
    checked(`lease ${lease.serial}`, () => checkLease(lease, nodeKey));
    for (const key of store.keys.ofLease(lease.serial)) {
      checked(`ssh key of ${lease.slice}`, () => parseSshKey(formatSshKey(key)));
    }
  }
}

/** The last head that was signed: whoever changes the chain before it has to forge that. */
function checkAuditHead({ audit }: Store, nodeKey: PublicKey): void {
  const head = audit.latestHead();
  if (!head) return;
  const [row] = audit.chained(head.position - 1, 1);
  const same = row?.position === head.position && row.hash === head.hash;
  if (same && head.key === nodeKey.name && verifyBytes(nodeKey, headBytes(head), head.signature)) return;
  throw new OperatorError("its last signed head is not that of its rows; see slicelab node audit verify");
}

/** A stored list, verified. Throws where it is not what its columns say. */
export function heldList({ signer: name, role, id, key: spki, document }: StoredList): HeldList {
  const key = publicKeyFromSpki(Buffer.from(spki));
  const opened = openRevocations(document, key, role);
  if (opened.id !== id || key.name !== name) throw new OperatorError("it is another list");
  return opened;
}

function checked(what: string, check: () => unknown): void {
  try {
    check();
  } catch (cause) {
    if (!(cause instanceof Fault || cause instanceof OperatorError)) throw cause;
    throw new OperatorError(
      `the store is damaged: the stored ${what} does not verify: ${cause.message}. Nothing was changed; restore the store`,
      { cause },
    );
  }
}

function agrees(stored: StoredHolding, holding: Holding): boolean {
  return isDeepStrictEqual(
    [stored.parent, stored.replaces, stored.issuer, stored.principal, stored.term, stored.share],
    [holding.parent, holding.replaces, holding.issuer, holding.principal, holding.term, holding.resources],
  );
}

function checkLease(stored: StoredLease, nodeKey: PublicKey): void {
  const lease = openLease(stored.document, nodeKey);
  const same = isDeepStrictEqual(
    [stored.serial, stored.slice, stored.principal, stored.sliver, stored.engine, stored.term],
    [lease.serial, lease.slice, lease.principal, lease.sliver, lease.engine, lease.term],
  );
  if (
    same &&
    stored.renewableUntil === lease.renewableUntil &&
    isDeepStrictEqual(stored.resources, lease.resources)
  ) {
    return;
  }
  throw new OperatorError("its columns were changed");
}
