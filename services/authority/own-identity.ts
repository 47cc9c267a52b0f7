import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { certificateFacts, parseCertificate, validityFrom } from "#shared/identity/certificate.ts";
import { createCertificateRequest } from "#shared/identity/certificate-request.ts";
import { type Identity, identityFrom } from "#shared/identity/identity.ts";
import { keyFileFor } from "#shared/identity/key-file.ts";
import { writeDurably } from "#shared/runtime/durable-file.ts";
import type { Authority } from "./authority.ts";

/** What an authority's service is called, and where. */
export type ServiceTerms = {
  readonly directory: string;
  readonly addresses: readonly string[];
  readonly days: number;
  readonly now: Date;
};

const NAME = "authority service";

/**
 * Who an authority is when it serves: a key of its own in its directory (never the one that certifies), and a
 * certificate that it issues itself whenever there is none that is good for these addresses for another third of its time.
 */
export async function serviceIdentity(authority: Authority, terms: ServiceTerms): Promise<Identity> {
  const keyFile = join(terms.directory, "service.key");
  const certificateFile = join(terms.directory, "service.crt");
  const key = await keyFileFor(keyFile, { type: "rsa" });
  const present = existsSync(certificateFile) ? await readFile(certificateFile, "utf8") : undefined;
  if (present !== undefined && isGood(present, authority, key.public.name, terms))
    return identityFrom(key, present, authority.trusted);
  const { certPem } = await authority.issue(createCertificateRequest(key, NAME), {
    ...{ name: NAME, kind: "server", addresses: terms.addresses },
    validity: validityFrom(terms.now, terms.days),
  });
  await writeDurably(certificateFile, certPem, 0o644);
  return identityFrom(key, certPem, authority.trusted);
}

function isGood(
  pem: string,
  { caPem }: Authority,
  key: string,
  { addresses, now }: Pick<ServiceTerms, "addresses" | "now">,
): boolean {
  const certificate = parseCertificate(pem);
  const facts = certificateFacts(certificate);
  const { notBefore, notAfter } = facts.validity;
  const third = (notAfter.getTime() - notBefore.getTime()) / 3;
  return (
    facts.key.name === key &&
    certificate.verify(parseCertificate(caPem).publicKey) &&
    addresses.every((address) => facts.addresses.includes(address)) &&
    now >= notBefore &&
    notAfter.getTime() - now.getTime() > third
  );
}
