import { certificateFacts, parseCertificate } from "#shared/identity/certificate.ts";
import type { TlsCredentials } from "#shared/identity/identity.ts";
import { type KeyName, publicKeyOf } from "#shared/identity/key.ts";
import { Trust } from "#shared/identity/trust.ts";
import { hostAndPort } from "#shared/model/address.ts";
import { OperatorError } from "#shared/model/errors.ts";

/** Where newcomers find this agent, by whose key they know it, and the keys of all authorities that it believes. */
export type Place = {
  readonly url: string;
  readonly authority: KeyName;
  readonly authorities: readonly KeyName[];
};

/**
 * Where an agent is for newcomers: at `url`, or else at the first address its certificate names. Throws OperatorError
 * for a certificate of none of its authorities.
 */
export function placeOf({ cert, ca }: TlsCredentials, port: number, url?: string): Place {
  const certificate = parseCertificate(cert);
  const [address = ""] = certificateFacts(certificate).addresses;
  const trust = new Trust(ca);
  const issuer = trust.authorities.find(
    (one) => certificate.checkIssued(one) && certificate.verify(one.publicKey),
  );
  if (!issuer) throw new OperatorError("the agent's certificate is of none of the authorities it believes");
  return {
    url: url ?? `https://${hostAndPort(address, port)}/RPC2`,
    authority: publicKeyOf(issuer.publicKey).name,
    authorities: trust.keys.map(({ name }) => name),
  };
}

/** The certificates of the authorities, one text each. */
export function authoritiesOf({ ca }: TlsCredentials): string[] {
  return new Trust(ca).authorities.map((one) => `${one.toString().trim()}\n`);
}
