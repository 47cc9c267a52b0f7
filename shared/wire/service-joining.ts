import { existsSync } from "node:fs";
import { access, constants, mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { certificateFacts, parseCertificate } from "../identity/certificate.ts";
import { keyFileFor } from "../identity/key-file.ts";
import { replaceFile } from "../identity/new-file.ts";
import { Trust } from "../identity/trust.ts";
import { OperatorError } from "../model/errors.ts";
import { type Invitation, readInvitation } from "./invitation.ts";
import { join, type Membership, type Newcomer, unnamedText } from "./joining.ts";

/** Where a service that joins keeps what it is. */
export type ServiceFiles = {
  readonly key: string;
  readonly certificate: string;
  readonly authority: string;
};

/** A node or service that joins by what somebody pasted. */
export type ServiceWish = Pick<Newcomer, "name" | "address" | "note"> & {
  readonly kind: "node" | "service";
  readonly invitation: string;
  readonly files: ServiceFiles;
  readonly onWaiting: (enrolment: string) => void;
  /** Told, in a sentence, what the operator is to know. */
  readonly onNotice: (text: string) => void;
};

/**
 * Gives a service of this machine its key, its certificate and, unless it is there, the authority's. Ended anywhere and
 * called again it goes on with the same key. Throws OperatorError where the files cannot be written, the machine believes
 * another consortium or the key is certified for another address, MALFORMED for what is no invitation, and what `join`
 * throws.
 */
export async function joinAsService(
  wish: ServiceWish,
): Promise<Pick<Membership, "agent"> & { readonly key: string }> {
  const { invitation: text, kind, files, name, address, note, onNotice } = wish;
  const invitation = readInvitation(text);
  for (const file of Object.values(files)) await makeWritable(dirname(file));
  await refuseOtherAuthority(files.authority, invitation);
  const key = await keyFileFor(files.key, { type: "rsa" });
  const joined = await join({ key, invitation, kind, name, address, note }, wish);
  refuseOtherAddress(joined, address);
  await refuseUnbelieved(files.authority, joined);
  const notice = unnamedText(joined);
  if (notice) onNotice(notice);
  if (!existsSync(files.authority)) await replaceFile(files.authority, joined.authorities, 0o644);
  await replaceFile(files.certificate, joined.certificate, 0o644);
  return { agent: joined.agent, key: key.public.name };
}

/** Certified before, or by an administrator who knows better: whoever calls it elsewhere would not believe it. */
function refuseOtherAddress({ certificate }: Membership, address?: string): void {
  const { addresses } = certificateFacts(parseCertificate(certificate));
  if (address === undefined || addresses.includes(address)) return;
  throw new OperatorError(
    `the key is certified for ${addresses.join(", ")}, and you say ${address}: say what the certificate does, or move the key away and join with another invitation`,
  );
}

/**
 * An invitation may name, beside an authority that the machine believes, one that it does not. Those who call it believe
 * what it believes: a certificate of that other one, in place of the one it has, would make it a stranger to them.
 */
async function refuseUnbelieved(file: string, { certificate }: Membership): Promise<void> {
  if (!existsSync(file)) return;
  if (new Trust(await readFile(file, "utf8")).vouchesFor(parseCertificate(certificate))) return;
  throw new OperatorError(
    `the certificate that the agent gave is of no authority in ${file}, so it was not kept, and nothing is changed: if the authority was replaced, add the new one's certificate to that file first`,
  );
}

/** Before anybody is asked for anything: an invitation is good for one who can keep what comes of it. */
async function makeWritable(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    const { code, path = directory } = cause as NodeJS.ErrnoException;
    const why = code === undefined ? undefined : WHY_NOT[code];
    if (why === undefined) throw cause;
    const who = process.getuid?.() === 0 ? "" : ` by whoever runs this, who is not root`;
    throw new OperatorError(
      `${path} cannot be written${who} (${why}), and key, certificates and configuration go to ${directory}: run this as root, or name directories of your own, as --help says; the invitation is unused`,
      { cause },
    );
  }
}

const WHY_NOT: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "not permitted",
  EROFS: "its file system is read-only",
  ENOTDIR: "something above it is no directory",
  EEXIST: "it is no directory",
};

/** Whom a machine believes is not for somebody's invitation to change: everybody else's slices there depend on it. */
async function refuseOtherAuthority(file: string, { authorities }: Invitation): Promise<void> {
  if (!existsSync(file)) return;
  if (new Trust(await readFile(file, "utf8")).keys.some(({ name }) => authorities.includes(name))) return;
  throw new OperatorError(
    `the invitation is of another consortium, by whose authority nobody in ${file} is certified; join with directories of its own, as --help says, or, if the authority was replaced, add its certificate to that file first`,
  );
}
