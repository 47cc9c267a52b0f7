import { OperatorError } from "../model/errors.ts";
import { type CertificateFacts, certificateFacts, parseCertificate } from "./certificate.ts";
import type { TlsCredentials } from "./identity.ts";
import { Trust } from "./trust.ts";

const DAY_MS = 86_400_000;
/** How long before its end a certificate is complained of. */
const SOON_DAYS = 30;
const EVERYWHERE = new Set(["0.0.0.0", "::"]);

/** Where a service takes calls, and when it is (real time: TLS checks certificates against it). */
export type ServicePlace = { readonly address: string; readonly now: Date };

/**
 * What callers will dislike of a service's certificate: that it ended, ends soon, begins later, or doesn't name the
 * address it is served at. Each with what to do, and none of it a reason not to serve: what runs must be looked after.
 * Throws OperatorError for a certificate that no caller could ever accept.
 */
export function certificateConcerns(tls: ServiceCertificates, { address, now }: ServicePlace): string[] {
  const { name, validity, addresses } = servingCertificate(tls);
  return [...ofValidity(name, validity, now), ...ofAddress(name, addresses, address)];
}

/** A service's certificate, and those of the authorities it trusts, in PEM. */
export type ServiceCertificates = Pick<TlsCredentials, "cert" | "ca">;

/** What a service's certificate says. Throws OperatorError for one that no caller could ever accept. */
export function servingCertificate({ cert, ca }: ServiceCertificates): CertificateFacts {
  const certificate = parseCertificate(cert);
  const facts = certificateFacts(certificate);
  if (facts.kind !== "server")
    throw new OperatorError(
      `the certificate of ${facts.name} is for a ${facts.kind}, and nobody would call it: have one issued with --kind server`,
    );
  if (!new Trust(ca).vouchesFor(certificate))
    throw new OperatorError(
      `the certificate of ${facts.name} is not of the authority whose certificate is configured: take the one that signed it`,
    );
  return facts;
}

function ofValidity(name: string, validity: { notBefore: Date; notAfter: Date }, now: Date): string[] {
  const { notBefore, notAfter } = validity;
  const renew =
    "have the authority issue another for the same key (authority issue NAME.csr), and put it in its place";
  if (now < notBefore)
    return [
      `the certificate of ${name} begins at ${notBefore.toISOString()}: is this machine's clock right?`,
    ];
  if (now >= notAfter)
    return [`the certificate of ${name} ended at ${notAfter.toISOString()}, and calls are refused: ${renew}`];
  const days = Math.floor((notAfter.getTime() - now.getTime()) / DAY_MS);
  return days < SOON_DAYS ? [`the certificate of ${name} ends in ${days} days: ${renew}`] : [];
}

function ofAddress(name: string, addresses: readonly string[], address: string): string[] {
  if (EVERYWHERE.has(address) || addresses.includes(address)) return [];
  const named = addresses.length > 0 ? addresses.join(", ") : "no address";
  return [
    `the certificate of ${name} names ${named}, and calls are taken at ${address}: callers have to use a name in it`,
  ];
}
