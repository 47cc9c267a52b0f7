import type { KeyName, PublicKey } from "../identity/key.ts";
import type { SigningKey } from "../identity/signature.ts";
import { refuseUnless } from "../model/errors.ts";
import {
  MAY_REVOKE,
  nextListNumber,
  REVOKED_KINDS,
  type RevocationList,
  type RevocationSigner,
  type Revoked,
  type RevokedKind,
  type SignedList,
} from "../model/revocation.ts";
import type { DocumentId } from "../model/ticket.ts";
import { formatInstant, type Instant, parseInstant } from "../model/time.ts";
import { parseDocument, signDocument, type VerifiedBody, verifyDocument } from "./document.ts";
import { type Element, Fields, field, group, listOf, type Part, readRoot, writeBody } from "./element.ts";
import { readName256, readNumber, readSerial } from "./fields.ts";

/**
 * A list names everything its signer ever revoked and may yet matter, so it is longer than other documents
 * (docs/decisions/0025). It still fits in one call.
 */
const MAX_LIST_BYTES = 512 * 1024;

/** As many as fit in one list. */
export const MAX_REVOKED = 3500;

/** A list whose signature was verified with this key, and the name of its exact bytes. */
export type HeldList = SignedList & {
  readonly id: DocumentId;
  readonly key: PublicKey;
  readonly document: string;
};

/**
 * Signs a list. Its entries are put in order, each once with its earliest time. Throws TOO_LARGE for more than
 * `MAX_REVOKED`.
 */
export function sealRevocations(list: RevocationList, signer: SigningKey): string {
  return signDocument(signer, writeRevocations(list));
}

/** What a signer's next list is to say, and for how many seconds it is good. */
export type NextList = {
  readonly last: Pick<RevocationList, "number"> | undefined;
  readonly at: Instant;
  readonly seconds: number;
  readonly revoked: readonly Revoked[];
};

/** Signs the list that takes the place of a signer's last one. Throws what `sealRevocations` and `openRevocations` do. */
export function signNextList(
  signer: SigningKey,
  role: RevocationSigner,
  { last, at, seconds, revoked }: NextList,
): HeldList {
  const number = nextListNumber(last?.number, at);
  const list = { issuer: signer.public.name, number, at, nextUpdate: at + seconds, revoked };
  return openRevocations(sealRevocations(list, signer), signer.public, role);
}

/**
 * Verifies and reads a list that the holder of `key` is trusted to have signed as what it is. Throws NO_PRIVILEGE for
 * one that names what its signer does not decide about.
 */
export function openRevocations(document: string, key: PublicKey, signer: RevocationSigner): HeldList {
  const verified = verifyDocument(parseDocument(document, { maxBodyBytes: MAX_LIST_BYTES }), key);
  const list = readRevocations(verified);
  refuseUnless(
    list.issuer === key.name,
    "NOT_PRINCIPAL",
    "the list of revocations names another issuer than the one that signed it",
  );
  const beyond = list.revoked.find(({ kind }) => !MAY_REVOKE[signer].includes(kind));
  refuseUnless(
    !beyond,
    "NO_PRIVILEGE",
    `the list names a ${beyond?.kind}, which its signer does not decide about: ${RULE}`,
  );
  return { signer, key, document, id: verified.id, list };
}

const RULE = "an authority names keys, an agent principals and tickets, a node leases";

/**
 * Whose list this claims to be, read before anything is verified: only to find the key that it is verified with. And
 * its identity, by which it is not asked for again.
 */
export function claimedList(text: string): { readonly signer: KeyName; readonly id: DocumentId } {
  const { keyName: signer, id } = parseDocument(text, { maxBodyBytes: MAX_LIST_BYTES });
  return { signer, id };
}

const ELEMENTS = [
  "issuer_sha256",
  "number",
  "at_time",
  "next_update_time",
  ...REVOKED_KINDS.map((kind) => `${kind}s`),
];

function readRevocations(verified: VerifiedBody): RevocationList {
  const fields = new Fields(readRoot(verified.body, "revocations", MAX_LIST_BYTES), ELEMENTS);
  const revoked = REVOKED_KINDS.flatMap((kind) =>
    fields.has(`${kind}s`)
      ? listOf(fields.element(`${kind}s`), kind).map((element) => readRevoked(kind, element))
      : [],
  );
  const inOrder = revoked.every((one, at) => at === 0 || compare(revoked[at - 1]!, one) < 0);
  refuseUnless(
    inOrder,
    "MALFORMED",
    "a list of revocations is in the order of its names, none of them twice",
  );
  refuseUnless(revoked.length <= MAX_REVOKED, "TOO_LARGE", `a list names at most ${MAX_REVOKED}`);
  const at = parseInstant(fields.text("at_time"));
  const nextUpdate = fields.has("next_update_time")
    ? parseInstant(fields.text("next_update_time"))
    : undefined;
  refuseUnless(
    nextUpdate === undefined || nextUpdate > at,
    "MALFORMED",
    "the next list of revocations is due after this one was made",
  );
  return {
    issuer: readName256(fields.text("issuer_sha256")),
    number: readNumber(fields.text("number")),
    at,
    ...(nextUpdate !== undefined && { nextUpdate }),
    revoked,
  };
}

function readRevoked(kind: RevokedKind, element: Element): Revoked {
  const name = nameOf(kind);
  const fields = new Fields(element, [name, "since_time"]);
  const read = name === "serial" ? readSerial : readName256;
  return { kind, id: read(fields.text(name)), since: parseInstant(fields.text("since_time")) };
}

/** Writes the body of a list: the bytes that are signed and whose hash names it. */
export function writeRevocations({ issuer, number, at, nextUpdate, revoked }: RevocationList): Buffer {
  const ordered = onceEach(revoked);
  refuseUnless(
    ordered.length <= MAX_REVOKED,
    "TOO_LARGE",
    `a list of revocations names at most ${MAX_REVOKED}; have the signer take a new key, with which a new list begins`,
  );
  return writeBody("revocations", [
    field("issuer_sha256", issuer),
    field("number", number),
    field("at_time", formatInstant(at)),
    ...(nextUpdate === undefined ? [] : [field("next_update_time", formatInstant(nextUpdate))]),
    ...REVOKED_KINDS.map((kind) =>
      group(`${kind}s`, ordered.filter((one) => one.kind === kind).map(revokedPart)),
    ),
  ]);
}

function revokedPart({ kind, id, since }: Revoked): Part {
  return group(kind, [field(nameOf(kind), id), field("since_time", formatInstant(since))]);
}

function nameOf(kind: RevokedKind): "serial" | "sha256" {
  return kind === "lease" ? "serial" : "sha256";
}

function onceEach(revoked: readonly Revoked[]): Revoked[] {
  const earliestFirst = [...revoked].sort((a, b) => compare(a, b) || a.since - b.since);
  return earliestFirst.filter((one, at) => at === 0 || compare(earliestFirst[at - 1]!, one) !== 0);
}

function compare(a: Revoked, b: Revoked): number {
  const kinds = REVOKED_KINDS.indexOf(a.kind) - REVOKED_KINDS.indexOf(b.kind);
  if (kinds !== 0) return kinds;
  if (a.id === b.id) return 0;
  return a.id < b.id ? -1 : 1;
}
