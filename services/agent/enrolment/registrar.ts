import type { CertificateKind } from "#shared/identity/certificate.ts";
import type { RenewalRequest } from "#shared/identity/certificate-renewal.ts";
import { Fault } from "#shared/model/errors.ts";
import { authorityApi } from "#shared/wire/authority-api.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import type { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { TransportError } from "#shared/wire/xmlrpc/transport-error.ts";

/** What a newcomer's key is certified for. */
export type Certification = {
  readonly csr: string;
  readonly name: string;
  readonly kind: CertificateKind;
  readonly addresses: readonly string[];
  /** Absent: as long as the authority certifies for. */
  readonly days?: number;
};

/** The authority that certifies newcomers for this agent, one of its registrars. */
export type Registrar = {
  /** Asked again under the same id it gives the same certificate (PEM). Throws what the authority refuses with. */
  certify(certification: Certification, requestId: string): Promise<string>;
  /** The same for a key that has a certificate, on the terms of that one. */
  renew(request: RenewalRequest, requestId: string): Promise<string>;
};

/** Where an authority serves, as the configuration says. */
export type AuthorityPlace = { readonly url: string; readonly identity?: string };

const TIMEOUT_MS = 10_000;

/** Throws BACKEND_FAILED where the authority gives no answer: nothing is lost by asking again. */
export function authorityRegistrar({ url, identity }: AuthorityPlace, connections: Connections): Registrar {
  const options = { url, connections, expectedPeer: identity, timeoutMs: TIMEOUT_MS };
  const authority = xmlRpcClient(authorityApi, options);
  return {
    certify: ({ addresses, ...certification }, request_id) =>
      answered(authority.certify({ ...certification, addresses: [...addresses], request_id })),
    renew: (request, request_id) => answered(authority.renew({ ...request, request_id })),
  };
}

async function answered(call: Promise<{ readonly certificate: string }>): Promise<string> {
  try {
    return (await call).certificate;
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    const sentence = `the authority gives no answer: ${error.message}; nobody is certified before it does`;
    throw new Fault("BACKEND_FAILED", sentence, { cause: error });
  }
}
