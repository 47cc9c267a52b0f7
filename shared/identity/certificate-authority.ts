import { randomBytes, type X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import forge from "node-forge";
import { refuseUnless } from "../model/errors.ts";
import { type CertificateKind, parseCertificate, type Validity } from "./certificate.ts";
import { commonName, signWithOpenssl } from "./forge.ts";
import type { PublicKey } from "./key.ts";
import type { SigningKey } from "./signature.ts";

/** The consortium's certificate authority: whoever holds `key` decides who is called what. */
export type CertificateAuthority = {
  readonly key: SigningKey;
  readonly certPem: string;
  readonly certificate: X509Certificate;
};

/** What the authority's operator grants a key; never what its request asked for. */
export type CertificateTerms = {
  /** The common name, for people to read. Peers are told apart by their keys. */
  readonly name: string;
  readonly kind: CertificateKind;
  /** Servers: at least one IP address or DNS name they are reached at. Clients have none. */
  readonly addresses?: readonly string[];
  readonly validity: Validity;
};

/** `serial` in hex, as it stands in the certificate. */
export type IssuedCertificate = { readonly serial: string; readonly certPem: string };

const DNS_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;
/** Keeps the authority's distinguished name from ever being that of a certificate it issues. */
const ORGANIZATION = "Slicelab";

/** Makes the authority's own certificate, signed by its own key. It certifies keys, never other authorities. */
export function createCertificateAuthority(
  key: SigningKey,
  name: string,
  validity: Validity,
): CertificateAuthority {
  const subject = [...commonName(name), { name: "organizationName", value: ORGANIZATION }];
  const { certPem } = certify(key, {
    subject,
    issuer: subject,
    key: key.public,
    validity,
    extensions: [
      { name: "basicConstraints", critical: true, cA: true, pathLenConstraint: 0 },
      { name: "keyUsage", critical: true, keyCertSign: true, cRLSign: true },
    ],
  });
  return openCertificateAuthority(key, certPem);
}

/** An authority from its key and the certificate made for it. Throws MALFORMED if they don't belong together. */
export function openCertificateAuthority(key: SigningKey, certPem: string): CertificateAuthority {
  const certificate = parseCertificate(certPem);
  refuseUnless(
    certificate.ca && certificate.checkPrivateKey(key.private),
    "MALFORMED",
    "the authority's certificate does not belong to its key; restore both from the same place",
  );
  return { key, certPem, certificate };
}

/**
 * Certifies a key on the operator's terms. Accepted by the strictest verifiers: serial, key identifiers, and
 * constraints are as RFC 5280 §4.2 wants them.
 *
 * Throws BAD_NAME for an unprintable or overlong name, MALFORMED for terms that contradict themselves.
 */
export function issueCertificate(
  authority: CertificateAuthority,
  key: PublicKey,
  terms: CertificateTerms,
): IssuedCertificate {
  checkKey(authority, key);
  checkValidity(authority, terms.validity);
  return certify(authority.key, {
    subject: commonName(terms.name),
    issuer: forge.pki.certificateFromPem(authority.certPem).subject.attributes,
    key,
    validity: terms.validity,
    extensions: [
      { name: "basicConstraints", critical: true, cA: false },
      { name: "keyUsage", critical: true, digitalSignature: true },
      { name: "extKeyUsage", clientAuth: true, serverAuth: terms.kind === "server" },
      ...alternativeNames(terms.kind, terms.addresses ?? []),
    ],
  });
}

function checkKey(authority: CertificateAuthority, key: PublicKey): void {
  refuseUnless(
    key.algorithm === "rsa",
    "WEAK_KEY",
    `the authority certifies RSA keys, not ${key.algorithm} keys`,
  );
  refuseUnless(
    key.name !== authority.key.public.name,
    "MALFORMED",
    "this is the authority's own key; whoever uses a certificate makes a key of its own",
  );
}

function checkValidity(authority: CertificateAuthority, validity: Validity): void {
  refuseUnless(validity.notBefore < validity.notAfter, "MALFORMED", "the validity ends before it begins");
  const end = authority.certificate.validToDate;
  refuseUnless(
    validity.notAfter <= end,
    "MALFORMED",
    `the authority's own certificate ends at ${end.toISOString()}; ask for less, or renew the authority first`,
  );
}

function alternativeNames(kind: CertificateKind, addresses: readonly string[]): object[] {
  switch (kind) {
    case "client":
      refuseUnless(addresses.length === 0, "MALFORMED", "a client's certificate has no addresses");
      return [];
    case "server":
      refuseUnless(addresses.length > 0, "MALFORMED", "a server's certificate needs the addresses it serves");
      return [{ name: "subjectAltName", altNames: addresses.map(alternativeName) }];
    default:
      return kind satisfies never;
  }
}

/** A GeneralName of forge: type 7 is an IP address, type 2 a DNS name (RFC 5280 §4.2.1.6). */
function alternativeName(address: string): object {
  const bytes = addressBytes(address);
  if (bytes) return { type: 7, value: bytes.toString("binary") };
  refuseUnless(
    DNS_NAME.test(address) && !/^[0-9.]+$/.test(address),
    "BAD_NAME",
    `"${address}" is neither an IP address nor a lower-case DNS name`,
  );
  return { type: 2, value: address };
}

/** The 4 or 16 bytes of an IP address, undefined for anything else: forge's own reader mistakes some of IPv6. */
function addressBytes(address: string): Buffer | undefined {
  if (isIP(address) === 4) return Buffer.from(address.split(".").map(Number));
  const plain = isIP(address) === 6 && /^[0-9A-Fa-f:]+$/.test(address); // no zone, no IPv4 inside
  if (!plain) return undefined;
  const [head = [], tail = []] = address
    .split("::")
    .map((part) => part.split(":").filter((group) => group !== ""));
  const zeros = new Array<string>(8 - head.length - tail.length).fill("0");
  return Buffer.from([...head, ...zeros, ...tail].map((group) => group.padStart(4, "0")).join(""), "hex");
}

type Unsigned = {
  readonly subject: forge.pki.CertificateField[];
  readonly issuer: forge.pki.CertificateField[];
  readonly key: PublicKey;
  readonly validity: Validity;
  readonly extensions: readonly object[];
};

function certify(signer: SigningKey, unsigned: Unsigned): IssuedCertificate {
  const certificate = forge.pki.createCertificate();
  certificate.serialNumber = randomSerial();
  certificate.publicKey = forgeKey(unsigned.key);
  certificate.validity.notBefore = unsigned.validity.notBefore;
  certificate.validity.notAfter = unsigned.validity.notAfter;
  certificate.setSubject(unsigned.subject);
  certificate.setIssuer(unsigned.issuer);
  certificate.setExtensions([
    ...unsigned.extensions,
    { name: "subjectKeyIdentifier" },
    { name: "authorityKeyIdentifier", keyIdentifier: keyIdentifier(signer.public) },
  ]);
  signWithOpenssl(certificate, signer);
  const certPem = forge.pki.certificateToPem(certificate).replaceAll("\r\n", "\n");
  return { serial: certificate.serialNumber, certPem };
}

/** 128 bits, positive and minimally encoded: the first byte is between 0x40 and 0x7f. */
function randomSerial(): string {
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  return serial.toString("hex");
}

function forgeKey(key: PublicKey): forge.pki.rsa.PublicKey {
  return forge.pki.publicKeyFromPem(key.object.export({ format: "pem", type: "spki" }) as string);
}

function keyIdentifier(key: PublicKey): string {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forgeKey(key);
  return certificate.generateSubjectKeyIdentifier().getBytes();
}
