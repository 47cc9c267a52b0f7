import { createHash } from "node:crypto";
import type { PublicKey } from "../identity/key.ts";
import {
  algorithmOf,
  type SignatureAlgorithm,
  type SigningKey,
  signBytes,
  signBytesInBackground,
  verifyBytes,
} from "../identity/signature.ts";
import { Fault, refuseUnless } from "../model/errors.ts";
import type { DocumentId } from "../model/ticket.ts";

/**
 * A signed document as it came: header taken apart, nothing verified, nothing parsed (WIRE.md §1). Its identity is
 * the SHA-256 of its body and never anything of its header, since signatures can be written in more than one way.
 */
export type SignedDocument = {
  readonly id: DocumentId;
  readonly algorithm: SignatureAlgorithm;
  readonly signature: Buffer;
  /** What the header says signed it. Only ever compared with a key that is trusted already. */
  readonly keyName: string;
  /** Documents above this one, outermost first, each without parents of its own. */
  readonly parents: readonly SignedDocument[];
  /** The exact bytes after the empty line. */
  readonly body: Buffer;
};

/** A document whose signature was made over its exact bytes by a key the reader trusts. */
export type VerifiedBody = { readonly id: DocumentId; readonly body: Buffer };

const MAX_BODY_BYTES = 16 * 1024;
const MAX_DOCUMENT_BYTES = 128 * 1024;
const MAX_PARENTS = 3;
const SIGNATURE_LINE = /^(sig-[a-z0-9-]+-base64): ([A-Za-z0-9+/=]+)$/;
const KEY_LINE = /^key-sha256: ([0-9a-f]{64})$/;
const PARENT_LINE = /^parent-base64: ([A-Za-z0-9+/=]+)$/;

export function documentId(body: Buffer): DocumentId {
  return createHash("sha256").update(body).digest("hex");
}

/**
 * Takes a document apart. The header grammar is exact: these lines, this order, LF, no folding. `maxBodyBytes`: for the
 * one kind of document that may be longer than others (a list of revocations). Not a bare number, so that `map` cannot
 * hand an index on for it.
 */
export function parseDocument(text: string, limits: { readonly maxBodyBytes?: number } = {}): SignedDocument {
  const { maxBodyBytes = MAX_BODY_BYTES } = limits;
  const bytes = Buffer.from(text, "utf8");
  const most = MAX_DOCUMENT_BYTES - MAX_BODY_BYTES + maxBodyBytes;
  refuseUnless(bytes.length <= most, "TOO_LARGE", `the document is longer than ${most / 1024} KiB`);
  return parseBytes(bytes, MAX_PARENTS, maxBodyBytes);
}

function parseBytes(bytes: Buffer, parentsAllowed: number, maxBodyBytes = MAX_BODY_BYTES): SignedDocument {
  const end = bytes.indexOf("\n\n");
  refuseUnless(end > 0, "MALFORMED", "a signed document is header lines, an empty line and XML");
  const [signatureLine = "", keyLine = "", ...parentLines] = bytes
    .subarray(0, end)
    .toString("latin1")
    .split("\n");
  const [, algorithm, signature] = SIGNATURE_LINE.exec(signatureLine) ?? malformedHeader();
  const [, keyName] = KEY_LINE.exec(keyLine) ?? malformedHeader();
  refuseUnless(
    parentLines.length <= parentsAllowed,
    "MALFORMED",
    "the document has too many parent-base64 lines",
  );
  const body = bytes.subarray(end + 2);
  refuseUnless(
    body.length <= maxBodyBytes,
    "TOO_LARGE",
    `a document's XML is at most ${maxBodyBytes / 1024} KiB`,
  );
  return {
    id: documentId(body),
    algorithm: knownAlgorithm(algorithm!),
    signature: canonicalBase64(signature!),
    keyName: keyName!,
    parents: parentLines.map((line) => {
      const [, parent] = PARENT_LINE.exec(line) ?? malformedHeader();
      return parseBytes(canonicalBase64(parent!), 0);
    }),
    body,
  };
}

function malformedHeader(): never {
  throw new Fault("MALFORMED", "the document's header is not: signature, key-sha256, parent-base64 lines");
}

function knownAlgorithm(name: string): SignatureAlgorithm {
  const known = name === "sig-ed25519-base64" || name === "sig-rsa-sha256-base64";
  refuseUnless(
    known,
    "ALGORITHM_FORBIDDEN",
    "documents are signed with sig-ed25519-base64 or sig-rsa-sha256-base64",
  );
  return name as SignatureAlgorithm;
}

function canonicalBase64(text: string): Buffer {
  const bytes = Buffer.from(text, "base64");
  refuseUnless(bytes.toString("base64") === text, "MALFORMED", "the header's base64 is not canonical");
  return bytes;
}

/**
 * Verifies a document that stands alone (a lease, a statement) with a key that the caller trusts for it, and only then
 * hands out its body. Parent lines are refused: no signature covers them, so nothing would say that they belong.
 */
export function verifyDocument(document: SignedDocument, key: PublicKey): VerifiedBody {
  refuseUnless(
    document.parents.length === 0,
    "MALFORMED",
    "this document stands alone; send it without parent-base64 lines",
  );
  return verifyLink(document, key);
}

/**
 * Verifies one link of a chain, whatever stands above it, and hands out its body. The key and its algorithm come from
 * `key`; a header that says otherwise is refused.
 */
export function verifyLink(document: SignedDocument, key: PublicKey): VerifiedBody {
  refuseUnless(
    document.keyName === key.name,
    "UNKNOWN_KEY",
    `the document says key ${document.keyName.slice(0, 12)}… signed it; the key expected here is ${key.name.slice(0, 12)}…`,
  );
  refuseUnless(
    document.algorithm === algorithmOf(key),
    "ALGORITHM_FORBIDDEN",
    `this key signs with ${algorithmOf(key)}; the header says ${document.algorithm}`,
  );
  refuseUnless(
    verifyBytes(key, document.body, document.signature),
    "BAD_SIGNATURE",
    "the signature does not match the document; it was altered or another key signed it",
  );
  return { id: document.id, body: document.body };
}

/** Signs a body. `parents` are whole documents, outermost first, without parent lines of their own. */
export function signDocument(key: SigningKey, body: Buffer, parents: readonly string[] = []): string {
  return formatDocument(key, body, signBytes(key, body), parents);
}

/** The same document, signed off the event loop: for many at once. */
export async function signDocumentInBackground(
  key: SigningKey,
  body: Buffer,
  parents: readonly string[] = [],
): Promise<string> {
  return formatDocument(key, body, await signBytesInBackground(key, body), parents);
}

function formatDocument(
  key: SigningKey,
  body: Buffer,
  signature: Buffer,
  parents: readonly string[],
): string {
  return [
    `${algorithmOf(key.public)}: ${signature.toString("base64")}`,
    `key-sha256: ${key.public.name}`,
    ...parents.map((parent) => `parent-base64: ${Buffer.from(parent).toString("base64")}`),
    "",
    body.toString("utf8"),
  ].join("\n");
}

/** A document's own text without its parent lines: the form in which it stands in a child's header. */
export function withoutParents(document: SignedDocument): string {
  return [
    `${document.algorithm}: ${document.signature.toString("base64")}`,
    `key-sha256: ${document.keyName}`,
    "",
    document.body.toString("utf8"),
  ].join("\n");
}

/** The parent lines for a child of this document: everything above it, then itself. */
export function lineageOf(document: SignedDocument): string[] {
  return [...document.parents, document].map(withoutParents);
}

/** The whole text of the last document of a lineage: with all that stand above it as its parent lines. */
export function withLineage(lineage: readonly string[]): string {
  const own = lineage.at(-1)!;
  const end = own.indexOf("\n\n");
  const parents = lineage
    .slice(0, -1)
    .map((one) => `\nparent-base64: ${Buffer.from(one).toString("base64")}`);
  return `${own.slice(0, end)}${parents.join("")}${own.slice(end)}`;
}
