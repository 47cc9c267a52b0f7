import type { X509Certificate } from "node:crypto";
import {
  type CertificateFacts,
  certificateFacts,
  parseCertificate,
  type Validity,
  validityFrom,
} from "#shared/identity/certificate.ts";
import type { CertificateTerms } from "#shared/identity/certificate-authority.ts";
import { publicKeyFromRequest } from "#shared/identity/certificate-request.ts";
import { Trust } from "#shared/identity/trust.ts";
import { refuseUnless } from "#shared/model/errors.ts";

/** What is asked to be certified again. All three in PEM; the authority with those it takes over from. */
type Renewal = {
  readonly csr: string;
  readonly current: string;
  readonly authority: string;
  readonly now: Date;
  readonly longestDays: number;
};

const DAY_MS = 86_400_000;

/**
 * The terms on which a key is certified again: those of its present certificate, from now on. Throws
 * FOREIGN_CERTIFICATE, CERTIFICATE_EXPIRED, UNKNOWN_KEY where the request is of another key, and what
 * `publicKeyFromRequest` throws.
 */
export function renewalTerms({ csr, current, authority, now, longestDays }: Renewal): CertificateTerms {
  const certificate = parseCertificate(current);
  refuseForeign(certificate, new Trust(authority));
  const { key, name, kind, addresses, validity } = certificateFacts(certificate);
  refuseUnless(
    now >= validity.notBefore && now < validity.notAfter,
    "CERTIFICATE_EXPIRED",
    "the certificate to be renewed is not valid now; enrol again, or have the operator issue another",
  );
  refuseUnless(
    publicKeyFromRequest(csr).name === key.name,
    "UNKNOWN_KEY",
    "the request is of another key than the certificate; renewing keeps the key",
  );
  const days = Math.min(longestDays, Math.max(1, Math.round(lengthOf(validity) / DAY_MS)));
  return { name, kind: renewable(kind), addresses, validity: validityFrom(now, days) };
}

function lengthOf({ notBefore, notAfter }: Validity): number {
  return notAfter.getTime() - notBefore.getTime();
}

function refuseForeign(certificate: X509Certificate, trust: Trust): void {
  refuseUnless(
    !certificate.ca && trust.vouchesFor(certificate),
    "FOREIGN_CERTIFICATE",
    "the certificate to be renewed is not of this authority, nor of one that it takes over from",
  );
}

function renewable(kind: CertificateFacts["kind"]): "client" | "server" {
  refuseUnless(
    kind === "client" || kind === "server",
    "FOREIGN_CERTIFICATE",
    "this is not a certificate that is renewed",
  );
  return kind;
}
