import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { refuseBadName } from "#shared/identity/certificate-name.ts";
import { createCertificateRequest } from "#shared/identity/certificate-request.ts";
import type { PublicKey } from "#shared/identity/key.ts";
import { createKeyFile, loadKeyFile } from "#shared/identity/key-file.ts";
import { createNewFile, taken } from "#shared/identity/new-file.ts";

/** What whoever wants a certificate has afterwards: a key that never leaves this machine, and a request to send. */
export type Enrolment = {
  readonly key: PublicKey;
  readonly keyFile: string;
  readonly requestFile: string;
};

/**
 * Makes `NAME.key` and `NAME.csr` in a directory. A key that is there already is kept and used, so that asking again,
 * or having a certificate renewed, doesn't change who one is. Throws BAD_NAME; OperatorError if the request exists.
 */
export async function enrol(directory: string, name: string, bits: number): Promise<Enrolment> {
  refuseBadName(name); // before it becomes a path
  const keyFile = join(directory, `${name}.key`);
  const requestFile = join(directory, `${name}.csr`);
  if (existsSync(requestFile)) throw taken(requestFile); // before there is a key
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const key = existsSync(keyFile)
    ? await loadKeyFile(keyFile)
    : await createKeyFile(keyFile, { type: "rsa", bits });
  await createNewFile(requestFile, createCertificateRequest(key, name), 0o644);
  return { key: key.public, keyFile, requestFile };
}
