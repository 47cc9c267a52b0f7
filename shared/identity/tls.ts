import { constants, X509Certificate } from "node:crypto";
import {
  checkServerIdentity as checkServerName,
  createSecureContext,
  type PeerCertificate,
  type SecureContext,
  type TLSSocket,
} from "node:tls";
import { Fault, refuseUnless } from "../model/errors.ts";
import { CLIENT_AUTH } from "./certificate.ts";
import type { TlsCredentials } from "./identity.ts";
import { type KeyName, type PublicKey, publicKeyOf } from "./key.ts";
import type { Trust } from "./trust.ts";

/** Who is at the other end of a connection: never a name out of a certificate, always its key. */
export type Peer = {
  readonly name: KeyName;
  /** v0.5's name of the same key. */
  readonly sha1: string;
  readonly key: PublicKey;
  /** What it presented, in PEM. */
  readonly certificate?: string;
};

/** What a request's peer is checked against, anew for each request. */
export type PeerChecks = {
  /** Real time, as TLS takes it, whatever time a test pretends. */
  readonly now: Date;
  readonly isRevoked?: (key: KeyName) => boolean;
  /** Who is believed now, where that may have changed since the connection was made. */
  readonly trust?: Trust;
};

/** For `https.createServer`, `tls.createServer` or Fastify's `https`. One a process: it is one SecureContext. */
export type ServerTlsOptions = TlsCredentials & {
  readonly minVersion: "TLSv1.2";
  readonly ciphers: string;
  readonly secureOptions: number;
  readonly requestCert: true;
  readonly rejectUnauthorized: false;
  readonly handshakeTimeout: number;
};

/** For one `https.Agent` or `tls.connect`. Holds the parsed key and certificates: share it between connections. */
export type ClientTlsOptions = {
  readonly secureContext: SecureContext;
  readonly rejectUnauthorized: true;
  readonly maxCachedSessions: 0;
};

/** As `ClientTlsOptions`, for a client that accepts any server. */
export type BlindTlsOptions = Omit<ClientTlsOptions, "rejectUnauthorized"> & {
  readonly rejectUnauthorized: false;
};

/** Forward secrecy and authenticated encryption only (RFC 9325 §4.2). OpenSSL's security level stays the default. */
const CIPHERS = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

/**
 * Neither tickets nor session ids are ever resumed: a resumed session carries an expired or revoked certificate back
 * in. (Without tickets OpenSSL falls back to a session cache, and Node keeps none.) Renegotiation is refused because
 * it could change the certificate of a connection whose peer is already known.
 */
const ALWAYS_A_FULL_HANDSHAKE = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION;

const HANDSHAKE_TIMEOUT_MS = 10_000;

/**
 * A server that asks for a client certificate and lets every connection through, so that a missing or bad one becomes
 * a numbered fault on the request: whoever uses this calls `peerOf` on every request.
 */
export function serverTlsOptions({ key, cert, ca }: TlsCredentials): ServerTlsOptions {
  return {
    key,
    cert,
    ca,
    minVersion: "TLSv1.2",
    ciphers: CIPHERS,
    secureOptions: ALWAYS_A_FULL_HANDSHAKE,
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  };
}

/** A client that shows its certificate and accepts only servers the authority certified. */
export function clientTlsOptions({ key, cert, ca }: TlsCredentials): ClientTlsOptions {
  const secureContext = createSecureContext({
    key,
    cert,
    ca,
    minVersion: "TLSv1.2",
    ciphers: CIPHERS,
    secureOptions: ALWAYS_A_FULL_HANDSHAKE,
  });
  return { secureContext, rejectUnauthorized: true, maxCachedSessions: 0 };
}

/** A client that has no certificate, and accepts only servers that this authority (PEM) certified. */
export function strangerTlsOptions(ca: string): ClientTlsOptions {
  const secureContext = createSecureContext({
    ...{ ca, minVersion: "TLSv1.2", ciphers: CIPHERS },
    secureOptions: ALWAYS_A_FULL_HANDSHAKE,
  });
  return { secureContext, rejectUnauthorized: true, maxCachedSessions: 0 };
}

/**
 * A client that accepts any server at all, to ask it for what proves itself, such as an authority's certificate of which
 * the key is known. Nothing else is to be sent or believed over it.
 */
export function blindTlsOptions(): BlindTlsOptions {
  const secureContext = createSecureContext({
    ...{ minVersion: "TLSv1.2", ciphers: CIPHERS },
    secureOptions: ALWAYS_A_FULL_HANDSHAKE,
  });
  return { secureContext, rejectUnauthorized: false, maxCachedSessions: 0 };
}

/**
 * Node's `checkServerIdentity` for one server. With the name of the key it must hold, that key is all that counts and
 * its address may have changed; without, the certificate must carry the address. The chain is verified by TLS before.
 *
 * `isRevoked`: whether the authority has revoked a key, as far as the caller has heard.
 *
 * The check is made when a connection is. An `https.Agent` doesn't tell pins apart when it hands out a kept-alive
 * connection, so use one agent per pin, or look at `keyOf` the response's socket.
 */
export function checkServerIdentity(pinned?: KeyName, isRevoked?: (key: KeyName) => boolean) {
  return (host: string, certificate: PeerCertificate): Error | undefined =>
    (pinned === undefined ? checkAddress(host, certificate) : checkPin(pinned, certificate)) ??
    (isRevoked && checkRevoked(host, certificate, isRevoked));
}

function checkAddress(host: string, certificate: PeerCertificate): Fault | undefined {
  const cause = checkServerName(host, certificate);
  return (
    cause &&
    new Fault(
      "FOREIGN_CERTIFICATE",
      `the server at ${host} is not certified for that address; ask its owner`,
      { cause },
    )
  );
}

function checkPin(pinned: KeyName, certificate: PeerCertificate): Fault | undefined {
  const { name } = keyOfCertificate(new X509Certificate(certificate.raw));
  if (name === pinned) return undefined;
  return new Fault(
    "FOREIGN_CERTIFICATE",
    `the server holds the key ${name}, not ${pinned}; it moved or somebody is in its place`,
  );
}

function checkRevoked(
  host: string,
  certificate: PeerCertificate,
  isRevoked: (key: KeyName) => boolean,
): Fault | undefined {
  const { name } = keyOfCertificate(new X509Certificate(certificate.raw));
  return isRevoked(name) ? revokedServer(host, name) : undefined;
}

/** What is said instead of anything to a server whose key is revoked. */
export function revokedServer(host: string, key: KeyName): Fault {
  return new Fault(
    "CERTIFICATE_REVOKED",
    `the authority revoked the key ${key} of the server at ${host}, which others may have: nothing is said to it; ask its owner for its new key`,
  );
}

/** The key of whoever is at the other end. Throws NO_CERTIFICATE, or WEAK_KEY for a key that is not accepted. */
export function keyOf(socket: TLSSocket): PublicKey {
  return presentedOn(socket).peer.key;
}

/**
 * Who sent a request, checked in full on every call, so that a certificate that ends or is revoked while its
 * connection is kept alive stops working with the next request.
 *
 * Throws NO_CERTIFICATE, WEAK_KEY (RSA below 2048 bits, unusual algorithms), CERTIFICATE_EXPIRED,
 * FOREIGN_CERTIFICATE (another authority's, self-signed, or not made for clients), CERTIFICATE_REVOKED.
 */
export function peerOf(socket: TLSSocket, checks: PeerChecks): Peer {
  const presented = presentedOn(socket);
  const { certificate, peer } = presented;
  checkVerified(socket);
  checkPurpose(certificate);
  checkTerm(certificate, checks.now);
  if (checks.trust) checkTrust(presented, checks.trust);
  refuseUnless(
    !checks.isRevoked?.(peer.name),
    "CERTIFICATE_REVOKED",
    "your key was revoked; make a new key and have the authority certify it",
  );
  return peer;
}

type Presented = {
  readonly certificate: X509Certificate;
  readonly peer: Peer;
  /** Those by whom it was last found to be vouched for. */
  vouchedBy?: Trust;
};

/** What was parsed of a connection's certificate. It can't change: renegotiation is off. */
const presented = new WeakMap<TLSSocket, Presented>();

function presentedOn(socket: TLSSocket): Presented {
  const known = presented.get(socket);
  if (known) return known;
  const certificate = socket.getPeerX509Certificate();
  refuseUnless(certificate, "NO_CERTIFICATE", "present the certificate the authority issued to your key");
  const key = keyOfCertificate(certificate);
  const parsed: Presented = { certificate, peer: peerWith(key, certificate) };
  presented.set(socket, parsed);
  return parsed;
}

/** In PEM only where it is asked for. */
function peerWith(key: PublicKey, certificate: X509Certificate): Peer {
  return {
    ...{ name: key.name, sha1: key.sha1, key },
    get certificate() {
      return certificate.toString();
    },
  };
}

function keyOfCertificate(certificate: X509Certificate): PublicKey {
  try {
    return publicKeyOf(certificate.publicKey);
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw new Fault(
      "WEAK_KEY",
      "the certificate's key is of a kind nobody here accepts; use RSA of 2048 bits",
      { cause },
    );
  }
}

/** Errors of OpenSSL's verification that are about time; all others mean that the authority did not say this. */
const OUT_OF_TERM = new Set(["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"]);

function checkVerified(socket: TLSSocket): void {
  if (socket.authorized) return;
  const reason = String(socket.authorizationError); // a code, whatever its type says
  if (OUT_OF_TERM.has(reason)) throw expired();
  throw new Fault(
    "FOREIGN_CERTIFICATE",
    `your certificate was not issued to clients by this consortium's authority (${reason}); present the one it issued`,
  );
}

/** TLS looked at the chain when the connection was made, and never looks again. */
function checkTrust(presented: Presented, trust: Trust): void {
  if (presented.vouchedBy === trust) return;
  refuseUnless(
    trust.vouchesFor(presented.certificate),
    "FOREIGN_CERTIFICATE",
    "the authority that issued your certificate is no longer trusted here; present one of the authority that is",
  );
  presented.vouchedBy = trust;
}

function checkPurpose(certificate: X509Certificate): void {
  // What Node calls keyUsage is the extended one. Without any, TLS takes a certificate for everything: we don't.
  refuseUnless(
    certificate.keyUsage?.includes(CLIENT_AUTH),
    "FOREIGN_CERTIFICATE",
    "your certificate was not made for clients; present the one the authority issued to you",
  );
}

function checkTerm(certificate: X509Certificate, now: Date): void {
  if (now < certificate.validFromDate || now >= certificate.validToDate) throw expired();
}

function expired(): Fault {
  return new Fault(
    "CERTIFICATE_EXPIRED",
    "your certificate has expired or is not valid yet; look at your clock, or have your key certified again",
  );
}
