import { OperatorError } from "../model/errors.ts";
import { certificateFacts, parseCertificate } from "./certificate.ts";
import type { TlsCredentials } from "./identity.ts";

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
export function certificateConcerns({ cert, ca }: TlsCredentials, { address, now }: ServicePlace): string[] {
  const certificate = parseCertificate(cert);
  const { kind, name, validity, addresses } = certificateFacts(certificate);
  if (kind !== "server")
    throw new OperatorError(
      `the certificate of ${name} is for a ${kind}, and nobody would call it: have one issued with --kind server`,
    );
  if (!certificate.verify(parseCertificate(ca).publicKey))
    throw new OperatorError(
      `the certificate of ${name} is not of the authority whose certificate is configured: take the one that signed it`,
    );
  return [...ofValidity(name, validity, now), ...ofAddress(name, addresses, address)];
}

function ofValidity(name: string, validity: { notBefore: Date; notAfter: Date }, now: Date): string[] {
  const { notBefore, notAfter } = validity;
  const renew =
    "have the authority issue another for the same key (authority issue NAME.csr), and start again with it";
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
