import type { X509Certificate } from "node:crypto";
import { Fault, refuseUnless } from "../model/errors.ts";
import { parseCertificate } from "./certificate.ts";
import { type PublicKey, publicKeyOf } from "./key.ts";

const ONE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const BEGINNING = /-----BEGIN /g;

/**
 * Whom one believes when they say whose a key is: one authority, or several while one takes over from another. In PEM
 * their certificates follow each other, as TLS takes them; the first is the one to be certified by.
 */
export class Trust {
  readonly authorities: readonly X509Certificate[];
  /** The keys of these authorities: what they sign besides certificates is verified with them. */
  readonly keys: readonly PublicKey[];

  /**
   * Throws MALFORMED unless this is one or more certificates of authorities, all of them whole, and WEAK_KEY for one whose
   * key is not accepted: whoever uses this need not expect it later.
   */
  constructor(pem: string) {
    const texts = pem.match(ONE) ?? [];
    const begun = pem.match(BEGINNING)?.length ?? 0;
    if (texts.length === 0 || texts.length !== begun)
      throw new Fault("MALFORMED", "these are not certificates in PEM, one after the other");
    this.authorities = texts.map(parseCertificate);
    for (const { ca, subject } of this.authorities)
      refuseUnless(ca, "MALFORMED", `the certificate of ${subject} is not that of an authority`);
    this.keys = this.authorities.map(keyOf);
  }

  /** Whether the first of these authorities signed the certificate. */
  prefers(certificate: X509Certificate): boolean {
    const [first] = this.authorities;
    return first !== undefined && certificate.checkIssued(first) && certificate.verify(first.publicKey);
  }

  /** Whether one of these authorities signed the certificate. Says nothing of its term or purpose. */
  vouchesFor(certificate: X509Certificate): boolean {
    return this.authorities.some(
      (authority) => certificate.checkIssued(authority) && certificate.verify(authority.publicKey),
    );
  }
}

function keyOf(certificate: X509Certificate): PublicKey {
  try {
    return publicKeyOf(certificate.publicKey);
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw new Fault("MALFORMED", "the key in an authority's certificate cannot be read", { cause });
  }
}
