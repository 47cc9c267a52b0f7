import type { X509Certificate } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { parseCertificate } from "../identity/certificate.ts";
import { createCertificateRequest } from "../identity/certificate-request.ts";
import { type KeyName, publicKeyOf } from "../identity/key.ts";
import type { SigningKey } from "../identity/signature.ts";
import { blindTlsOptions, strangerTlsOptions } from "../identity/tls.ts";
import { Trust } from "../identity/trust.ts";
import { Fault, refuseUnless } from "../model/errors.ts";
import { enrolmentApi } from "./enrolment-api.ts";
import { type Invitation, proveEnrolment } from "./invitation.ts";
import { xmlRpcClient } from "./xmlrpc/client.ts";
import { Connections } from "./xmlrpc/connections.ts";
import { TransportError } from "./xmlrpc/transport-error.ts";

/** Somebody who wants to be certified and known. */
export type Newcomer = {
  readonly key: SigningKey;
  readonly invitation: Invitation;
  readonly kind: "person" | "node" | "service";
  /** What it would like to be called. */
  readonly name?: string;
  /** Where a node or service is reached. */
  readonly address?: string;
  readonly note?: string;
};

/** What it has afterwards. */
export type Membership = {
  /** PEM. */
  readonly certificate: string;
  /** The certificates of the authorities that the invitation names, one PEM text after the other. */
  readonly authorities: string;
  /** The keys of others that the agent named besides: not believed, and nobody else's to add. */
  readonly unnamed: readonly KeyName[];
  readonly agent: { readonly url: string; readonly identity: KeyName };
};

export type JoiningTerms = {
  readonly signal?: AbortSignal;
  /** Told, once, that somebody has to decide first. */
  readonly onWaiting: (enrolment: string) => void;
  /** How often the agent is asked whether somebody has, in milliseconds. */
  readonly everyMs?: number;
};

const EVERY_MS = 2_000;

/** What whoever joins is told while somebody has to decide. */
export function waitingText(enrolment: string): string {
  return `an administrator has to approve enrolment ${enrolment.slice(0, 12)}; waiting, and this may be run again later`;
}

/** What whoever joined is told of authorities that were not believed; undefined where there are none. */
export function unnamedText({ unnamed }: Pick<Membership, "unnamed">): string | undefined {
  if (unnamed.length === 0) return undefined;
  return `the agent also believes an authority that your invitation does not name, and you do not: key ${unnamed.join(", ")}; if the administrator knows it, take its certificate from them`;
}

/**
 * Enrols at the agent of an invitation and waits for the certificate. Nothing is believed but what is proved by a key of
 * an authority that the invitation names, now or later, and nothing is told before. Ended anywhere and called again
 * with the same key, it goes on where it was.
 *
 * Throws FOREIGN_CERTIFICATE where somebody else answers in the agent's place, NO_PRIVILEGE when refused, the agent's
 * faults, and TransportError.
 */
export async function join(newcomer: Newcomer, terms: JoiningTerms): Promise<Membership> {
  const { key, invitation, kind, name, address, note } = newcomer;
  const { url, secret } = invitation;
  const believed = await authoritiesAt(invitation);
  using connections = new Connections(strangerTlsOptions(believed));
  let agent: KeyName | undefined;
  const onPeer = (peer: { readonly name: KeyName }) => {
    agent = peer.name;
  };
  const api = xmlRpcClient(enrolmentApi, { url, connections, onPeer });
  const csr = createCertificateRequest(key, "newcomer");
  const { id } = await api.enrol({ csr, kind, name, address, note, invitation: secret });
  const proof = proveEnrolment(key, id, agent!);
  for (let told = false; ; told = true) {
    const found = await patiently(() => api.getenrolment({ id, proof }), told);
    if (found && found.state !== "waiting") return membership(found, newcomer);
    if (!told) terms.onWaiting(id);
    await waited(terms);
  }
}

/** Throws the signal's reason, as whoever gave it understands it, and not what the timer makes of that. */
async function waited({ everyMs = EVERY_MS, signal }: JoiningTerms): Promise<void> {
  try {
    await pause(everyMs, undefined, { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/** While somebody waits, the agent may be away for a time. */
async function patiently<T>(ask: () => Promise<T>, waiting: boolean): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    const passes = error instanceof TransportError ? error.kind !== "tls" : isRetryable(error);
    if (waiting && passes) return undefined;
    throw error;
  }
}

function isRetryable(error: unknown): boolean {
  return error instanceof Fault && error.retryable;
}

/**
 * The authorities' certificates, got from a server that nobody vouches for yet: they count because their keys are those
 * of the invitation, and signed them. What they certified is checked by TLS from then on.
 */
async function authoritiesAt({ url, authorities }: Invitation): Promise<string> {
  using connections = new Connections(blindTlsOptions());
  const offered = await xmlRpcClient(enrolmentApi, { url, connections }).getauthority();
  const { named } = toldApart(offered, authorities);
  refuseUnless(
    named !== "",
    "FOREIGN_CERTIFICATE",
    `whoever answers at ${new URL(url).host} does not know the authority of this invitation: somebody is in the agent's place, or the invitation is an old one; nothing was told there`,
  );
  return named;
}

/** Of what an agent offers, the certificates (PEM) of authorities with these keys, and the keys of the others. */
function toldApart(
  offered: readonly string[],
  keys: readonly KeyName[],
): { readonly named: string; readonly unnamed: readonly KeyName[] } {
  const certificates = offered.flatMap((pem) => new Trust(pem).authorities);
  const isNamed = (one: X509Certificate) => keys.some((key) => isOwn(one, key));
  const others = certificates.filter((one) => !isNamed(one));
  return {
    named: certificates
      .filter(isNamed)
      .map((one) => `${one.toString().trim()}\n`)
      .join(""),
    unnamed: [...new Set(others.map(({ publicKey }) => publicKeyOf(publicKey).name))],
  };
}

/** Whether a certificate is that which the holder of this key made of itself. */
function isOwn(certificate: X509Certificate, key: KeyName): boolean {
  if (!certificate.ca || certificate.publicKey.asymmetricKeyType !== "rsa") return false;
  return publicKeyOf(certificate.publicKey).name === key && certificate.verify(certificate.publicKey);
}

type Found = {
  readonly state: string;
  readonly reason: string | null;
  readonly certificate: string | null;
  readonly authorities: readonly string[];
  readonly agent: { readonly url: string; readonly identity: KeyName };
};

function membership(
  { state, reason, certificate, authorities, agent }: Found,
  { key, invitation }: Newcomer,
): Membership {
  refuseUnless(state === "approved", "NO_PRIVILEGE", `you were refused: ${reason ?? "no reason was given"}`);
  refuseUnless(
    certificate !== null && publicKeyOf(parseCertificate(certificate).publicKey).name === key.public.name,
    "WRONG_TYPE",
    "the agent gave a certificate that is not of your key; tell its administrator",
  );
  const { named, unnamed } = toldApart(authorities, invitation.authorities);
  refuseUnless(
    named !== "" && new Trust(named).vouchesFor(parseCertificate(certificate)),
    "FOREIGN_CERTIFICATE",
    "the agent gave a certificate that is of no authority your invitation names; tell its administrator, or ask for another invitation",
  );
  return { certificate, authorities: named, unnamed, agent };
}
