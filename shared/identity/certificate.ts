import { X509Certificate } from "node:crypto";
import { Fault } from "../model/errors.ts";
import { type PublicKey, publicKeyOf } from "./key.ts";

/** When a certificate is accepted. Real time, always: TLS on the other side checks it against its own clock. */
export type Validity = { readonly notBefore: Date; readonly notAfter: Date };

/** What a certificate lets its key be: a researcher's TLS client, or a service (which also calls other services). */
export type CertificateKind = "client" | "server";

/** What a certificate says, for people to read. Nothing here was verified. */
export type CertificateFacts = {
  readonly name: string;
  readonly issuer: string;
  readonly kind: CertificateKind | "authority" | "unusable";
  readonly serial: string;
  readonly validity: Validity;
  /** IP addresses and DNS names it serves. */
  readonly addresses: readonly string[];
  readonly key: PublicKey;
};

const DAY_MS = 86_400_000;
/** How far validity begins before issuing, for verifiers whose clocks are behind. */
const BACKDATING_MS = 5 * 60_000;

/** OIDs of extended key usage (RFC 5280 §4.2.1.12). */
export const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
export const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

/** Validity of what is issued at `now` for a number of days, begun a little earlier. */
export function validityFrom(now: Date, days: number): Validity {
  return {
    notBefore: new Date(now.getTime() - BACKDATING_MS),
    notAfter: new Date(now.getTime() + days * DAY_MS),
  };
}

/** Parses one certificate in PEM. Throws MALFORMED. */
export function parseCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new Fault("MALFORMED", "this is not a certificate in PEM", { cause });
  }
}

/** What a certificate says. Throws MALFORMED, or WEAK_KEY when its key is one nobody here accepts. */
export function certificateFacts(certificate: X509Certificate): CertificateFacts {
  return {
    name: commonName(certificate.subject),
    issuer: commonName(certificate.issuer),
    kind: kindOf(certificate),
    serial: certificate.serialNumber.toLowerCase(),
    validity: { notBefore: certificate.validFromDate, notAfter: certificate.validToDate },
    addresses: addressesOf(certificate),
    key: publicKeyOf(certificate.publicKey),
  };
}

function kindOf(certificate: X509Certificate): CertificateFacts["kind"] {
  if (certificate.ca) return "authority";
  const usages = certificate.keyUsage ?? []; // what Node calls keyUsage is the extended one
  if (usages.includes(SERVER_AUTH)) return "server";
  return usages.includes(CLIENT_AUTH) ? "client" : "unusable";
}

function commonName(subject: string): string {
  const line = subject.split("\n").find((field) => field.startsWith("CN="));
  return line?.slice("CN=".length) ?? "";
}

function addressesOf(certificate: X509Certificate): string[] {
  const names = certificate.subjectAltName?.split(", ") ?? [];
  return names.map((name) => name.replace(/^(DNS|IP Address):/, ""));
}
