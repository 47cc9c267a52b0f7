import { Fault, refuseUnless } from "../model/errors.ts";
import { certificateFacts, parseCertificate } from "./certificate.ts";
import type { Identity, TlsCredentials } from "./identity.ts";
import { Trust } from "./trust.ts";

/** What is asked of whoever renews: the same key certified again. In PEM, as the answer is. */
export type RenewalRequest = { readonly csr: string; readonly current: string };

/** The part of a certificate's life after which it is renewed. What is left is time for what may fail. */
const RENEWED_AFTER = 2 / 3;

/**
 * Whether a certificate is to be renewed now: while it is valid, once two thirds of its life are over, or as soon as
 * another authority than its own stands first among those that are trusted, which then is to take over.
 */
export function renewalIsDue({ cert, ca }: Pick<TlsCredentials, "cert" | "ca">, now: Date): boolean {
  const certificate = parseCertificate(cert);
  const [begin, end] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()];
  if (now.getTime() >= end || now.getTime() < begin) return false;
  return !new Trust(ca).prefers(certificate) || now.getTime() >= begin + (end - begin) * RENEWED_AFTER;
}

/** What is sent to have an identity's certificate renewed. What makes requests is large, and loaded only for this. */
export async function renewalRequest({
  signingKey,
  tls,
}: Pick<Identity, "signingKey" | "tls">): Promise<RenewalRequest> {
  const { createCertificateRequest } = await import("./certificate-request.ts");
  const { name } = certificateFacts(parseCertificate(tls.cert));
  return { csr: createCertificateRequest(signingKey, name), current: tls.cert };
}

/**
 * Throws FOREIGN_CERTIFICATE unless `renewed` can take the place of a certificate: the same key for the same use at the
 * same addresses, of an authority that is trusted, valid now, and nothing that would have to be renewed at once.
 */
export function checkRenewed(tls: TlsCredentials, renewed: string, now: Date): void {
  const [before, after] = [certificateFacts(parseCertificate(tls.cert)), parseCertificate(renewed)];
  const facts = certificateFacts(after);
  const same = facts.key.name === before.key.name && facts.kind === before.kind;
  const addressed = before.addresses.every((address) => facts.addresses.includes(address));
  refuseUnless(
    same && addressed && new Trust(tls.ca).vouchesFor(after),
    "FOREIGN_CERTIFICATE",
    "what came in answer is no certificate for this key, at its addresses, of an authority that is trusted",
  );
  const { notBefore, notAfter } = facts.validity;
  if (now >= notBefore && now < notAfter && !renewalIsDue({ cert: renewed, ca: tls.ca }, now)) return;
  throw new Fault(
    "FOREIGN_CERTIFICATE",
    "the certificate that came in answer is no better than the one there is; look at the clocks, and at which authority is asked",
  );
}
