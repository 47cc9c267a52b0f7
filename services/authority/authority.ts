import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { certificateFacts, parseCertificate, type Validity } from "#shared/identity/certificate.ts";
import {
  type CertificateAuthority,
  type CertificateTerms,
  createCertificateAuthority,
  type IssuedCertificate,
  issueCertificate,
  openCertificateAuthority,
} from "#shared/identity/certificate-authority.ts";
import { publicKeyFromRequest } from "#shared/identity/certificate-request.ts";
import type { KeyName } from "#shared/identity/key.ts";
import { createKeyFile, loadKeyFile } from "#shared/identity/key-file.ts";
import { createNewFile } from "#shared/identity/new-file.ts";
import { Fault, OperatorError, refuseUnless } from "#shared/model/errors.ts";
import { readIfPresent, writeDurably } from "#shared/runtime/durable-file.ts";
import { lockFile } from "#shared/runtime/lock-file.ts";
import { AlreadyAnswered } from "#shared/wire/xmlrpc/replay.ts";
import { type IssuedRecord, issuedRecord, Register, type RevokedRecord, revokedRecord } from "./register.ts";
import { currentRevocations, LIST_DAYS, revocationOf, type SignedRevocations } from "./revocation-list.ts";

const AUTHORITY_BITS = 3072;
const LOCK_PATIENCE_MS = 10_000;

type Files = {
  readonly key: string;
  readonly certificate: string;
  /** The certificates of the authorities it takes over from; absent where it takes over from none. */
  readonly predecessors: string;
  readonly issued: string;
  readonly revoked: string;
  /** The signed list of what is revoked, for everybody to read. */
  readonly revocations: string;
  readonly lock: string;
};

/** For whom a certificate is issued, where it is not the operator at the terminal. */
export type IssuingOrder = {
  /** The registrar's key. */
  readonly by: KeyName;
  /** The call that is answered with it, where that may come again. */
  readonly call?: { readonly method: string; readonly requestId: string; readonly argumentsHash: string };
  /** Told what was issued so far, under the lock: throws where there is to be no more. */
  readonly check: (issued: readonly IssuedRecord[]) => void;
};

function filesIn(directory: string): Files {
  return {
    key: join(directory, "ca.key"),
    certificate: join(directory, "ca.pem"),
    predecessors: join(directory, "predecessors.pem"),
    issued: join(directory, "issued.jsonl"),
    revoked: join(directory, "revoked.jsonl"),
    revocations: join(directory, "revocations.xml"),
    lock: join(directory, "lock"),
  };
}

/** An authority that another one is to take over from. */
export type Predecessor = {
  /** Its certificate in PEM, with those of the ones before it that are still believed. */
  readonly certificates: string;
  /** Keys that it revoked: they are not certified by its successor either. */
  readonly revoked: readonly RevokedRecord[];
};

/** What a successor needs to know of the authority in a directory. Throws OperatorError. */
export async function predecessorIn(directory: string): Promise<Predecessor> {
  const authority = await openAuthority(directory);
  return { certificates: authority.trusted, revoked: await authority.revoked() };
}

/**
 * Makes an authority in a directory of its own (made if need be, its owner's alone). Killed half-way, it is finished
 * by the next call: the certificate comes last, and with it there is an authority. Throws OperatorError if there is
 * one already.
 */
export async function initAuthority(
  directory: string,
  own: { readonly name: string; readonly validity: Validity; readonly takesOver?: Predecessor },
): Promise<Authority> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const files = filesIn(directory);
  using _lock = await lockFile(files.lock, "the authority", LOCK_PATIENCE_MS);
  if (existsSync(files.certificate)) {
    throw new OperatorError(`${directory} holds an authority already; choose another directory with --dir`);
  }
  const key = existsSync(files.key)
    ? await loadKeyFile(files.key)
    : await createKeyFile(files.key, { type: "rsa", bits: AUTHORITY_BITS });
  const { certPem } = createCertificateAuthority(key, own.name, own.validity);
  const { certificates, revoked = [] } = own.takesOver ?? {};
  const registers = [
    [files.issued, ""],
    [files.revoked, revoked.map((record) => `${JSON.stringify(record)}\n`).join("")],
  ] as const;
  for (const [register, content] of registers) {
    if (!existsSync(register)) await createNewFile(register, content, 0o600);
  }
  if (certificates !== undefined) await writeDurably(files.predecessors, certificates, 0o644);
  await createNewFile(files.certificate, certPem, 0o644);
  return await openAuthority(directory);
}

/** Opens the authority in a directory. Throws OperatorError if there is none or any of its files can't be trusted. */
export async function openAuthority(directory: string): Promise<Authority> {
  const files = filesIn(directory);
  if (!existsSync(files.certificate)) {
    throw new OperatorError(
      `there is no authority in ${directory}; make one with: slicelab authority init --dir '${directory}'`,
    );
  }
  const certPem = await readFile(files.certificate, "utf8");
  const ca = openCertificateAuthority(await loadKeyFile(files.key), certPem);
  const predecessors = (await readIfPresent(files.predecessors))?.toString("utf8") ?? "";
  const authority = new Authority(files, ca, predecessors);
  await authority.checkRegisters();
  return authority;
}

/**
 * A certificate authority and its memory: which keys it certified, and which it never will again. Several processes
 * may use one directory.
 */
export class Authority {
  /** Its own certificate in PEM: what everybody trusts. */
  readonly caPem: string;
  /** The same, followed by those of the authorities it takes over from: whoever these certified, it certifies again. */
  readonly trusted: string;
  readonly #files: Files;
  readonly #ca: CertificateAuthority;
  readonly #issued: Register<IssuedRecord>;
  readonly #revoked: Register<RevokedRecord>;

  constructor(files: Files, ca: CertificateAuthority, predecessors: string) {
    this.caPem = ca.certPem;
    this.trusted = `${ca.certPem}${predecessors}`;
    this.#files = files;
    this.#ca = ca;
    this.#issued = new Register(files.issued, issuedRecord);
    this.#revoked = new Register(files.revoked, revokedRecord);
  }

  async checkRegisters(): Promise<void> {
    await Promise.all([this.issued(), this.revoked()]);
  }

  /** Every certificate ever issued, oldest first. */
  issued(): Promise<IssuedRecord[]> {
    return this.#issued.read();
  }

  /** Every key that was revoked, oldest first. */
  revoked(): Promise<RevokedRecord[]> {
    return this.#revoked.read();
  }

  /**
   * Certifies the key of a certificate request (PEM) on the operator's terms; nothing else in the request counts.
   * It is in the register before it is in anybody's hands.
   *
   * Throws what `publicKeyFromRequest` and `issueCertificate` throw, CERTIFICATE_REVOKED for a revoked key, and
   * AlreadyAnswered for a call that was answered a moment ago.
   */
  async issue(requestPem: string, terms: CertificateTerms, order?: IssuingOrder): Promise<IssuedCertificate> {
    const key = publicKeyFromRequest(requestPem);
    using _lock = await this.#locked();
    await this.refuseRevoked(key.name);
    if (order) await this.#checkOrder(order);
    const certificate = issueCertificate(this.#ca, key, terms);
    await this.#issued.append({ ...recordOf(certificate), ...orderRecord(order, certificate) });
    return certificate;
  }

  /** The certificate that a registrar's call was answered with before. */
  async answerTo(by: KeyName, method: string, requestId: string): Promise<IssuedRecord | undefined> {
    return (await this.issued()).find((record) => isAnswer(record, by, { method, requestId }));
  }

  async #checkOrder({ by, call, check }: IssuingOrder): Promise<void> {
    const issued = await this.issued();
    if (call && issued.some((record) => isAnswer(record, by, call)))
      throw new AlreadyAnswered("certified before");
    check(issued);
  }

  /**
   * Revokes a key, and so every certificate it has or would get; again is the same as once. The signed list names it from
   * then on, and everybody has to get it. Throws UNKNOWN_KEY for a key that was never certified here, so that a mistyped
   * name isn't taken for a revocation.
   */
  async revoke(key: KeyName, at: Date, goodDays = LIST_DAYS): Promise<SignedRevocations> {
    using _lock = await this.#locked();
    const known = (await this.issued()).some((record) => record.key === key);
    refuseUnless(
      known,
      "UNKNOWN_KEY",
      `this authority never certified the key ${key}; see: slicelab authority list`,
    );
    const revokedBefore = (await this.revoked()).some((record) => record.key === key);
    if (!revokedBefore) await this.#revoked.append({ key, revokedAt: at.toISOString() });
    return await this.#currentList(at, goodDays);
  }

  /**
   * The signed list of every key that was revoked, as everybody may have it, also while that is none: whoever has it can
   * tell by its next update that a later one is held back.
   */
  async revocations(now: Date, goodDays = LIST_DAYS): Promise<SignedRevocations> {
    using _lock = await this.#locked();
    return await this.#currentList(now, goodDays);
  }

  async #currentList(now: Date, goodDays: number): Promise<SignedRevocations> {
    const revoked = (await this.revoked()).map(revocationOf);
    return await currentRevocations(this.#files.revocations, this.#ca.key, revoked, { now, goodDays });
  }

  /** Throws CERTIFICATE_REVOKED for a key that was revoked up to now. */
  async refuseRevoked(key: KeyName): Promise<void> {
    const entry = (await this.revoked()).find((record) => record.key === key);
    if (!entry) return;
    throw new Fault(
      "CERTIFICATE_REVOKED",
      `the key ${key} was revoked at ${entry.revokedAt} and is never certified again; make a new key`,
    );
  }

  #locked(): Promise<Disposable> {
    return lockFile(this.#files.lock, "the authority", LOCK_PATIENCE_MS);
  }
}

function isAnswer(
  { by, answered }: IssuedRecord,
  registrar: KeyName,
  { method, requestId }: { readonly method: string; readonly requestId: string },
): boolean {
  return by === registrar && answered?.method === method && answered.requestId === requestId;
}

function orderRecord(
  order: IssuingOrder | undefined,
  { certPem }: IssuedCertificate,
): Pick<IssuedRecord, "by" | "answered"> {
  if (!order) return {};
  const { by, call } = order;
  return { by, ...(call && { answered: { ...call, certificate: certPem } }) };
}

/** Read back from the certificate itself, so that the register says what verifiers will see. */
function recordOf(issued: IssuedCertificate): IssuedRecord {
  const { serial, key, name, kind, addresses, validity } = certificateFacts(parseCertificate(issued.certPem));
  return issuedRecord.parse({
    serial,
    key: key.name,
    name,
    kind,
    addresses,
    notBefore: validity.notBefore.toISOString(),
    notAfter: validity.notAfter.toISOString(),
  });
}
