import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Authority, initAuthority, openAuthority } from "#services/authority/authority.ts";
import { enrol } from "#services/authority/enrolment.ts";
import {
  type CertificateKind,
  certificateFacts,
  parseCertificate,
  validityFrom,
} from "#shared/identity/certificate.ts";
import type { KeyName } from "#shared/identity/key.ts";
import { writeDurably } from "#shared/runtime/durable-file.ts";

/** The files of one enrolled part or person, and its name. The private key was made there and stays there. */
export type Enrolled = {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
  readonly sha256: KeyName;
};

const DAYS = 365;
const KEY_BITS = 2048;
const YEARS_10 = 3650;

/** The testbed's own authority, made at the first start and used again at the next ones. */
export async function testbedAuthority(directory: string): Promise<Authority> {
  if (existsSync(join(directory, "ca.pem"))) return openAuthority(directory);
  return initAuthority(directory, { name: "Slicelab testbed", validity: validityFrom(new Date(), YEARS_10) });
}

/**
 * Enrols a part or a person the way an operator would: key and request where they are used, certificate from the
 * authority. Done already, it is done; a certificate is made anew when the addresses it should serve have changed.
 */
export async function enrolOnTestbed(
  authority: Authority,
  directory: string,
  name: string,
  kind: CertificateKind,
  addresses: readonly string[] = [],
): Promise<Enrolled> {
  const files = {
    key: join(directory, `${name}.key`),
    cert: join(directory, `${name}.crt`),
    ca: join(directory, "ca.pem"),
  };
  const request = join(directory, `${name}.csr`);
  if (!(await isCurrent(files.cert, addresses))) {
    await rm(request, { force: true });
    await enrol(directory, name, KEY_BITS);
    const terms = { name, kind, addresses, validity: validityFrom(new Date(), DAYS) };
    const { certPem } = await authority.issue(await readFile(request, "utf8"), terms);
    await writeDurably(files.cert, certPem);
    await writeDurably(files.ca, authority.caPem);
  }
  const { key } = certificateFacts(parseCertificate(await readFile(files.cert, "utf8")));
  return { ...files, sha256: key.name };
}

async function isCurrent(certificateFile: string, addresses: readonly string[]): Promise<boolean> {
  if (!existsSync(certificateFile)) return false;
  const facts = certificateFacts(parseCertificate(await readFile(certificateFile, "utf8")));
  return addresses.every((address) => facts.addresses.includes(address));
}
