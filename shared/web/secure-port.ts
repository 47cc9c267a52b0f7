import type { TLSSocket } from "node:tls";
import { authenticator, type Believing } from "../identity/authentication.ts";
import type { TlsCredentials } from "../identity/identity.ts";
import type { KeyName } from "../identity/key.ts";
import { type ServerTlsOptions, serverTlsOptions } from "../identity/tls.ts";
import { realTime } from "../runtime/clock.ts";
import { type Acquainted, clients, type Viewer, viewers } from "./viewer.ts";

/** A second port, over TLS, where whoever shows a certificate may see more. */
export type SecurePort = {
  readonly port: number;
  readonly options: ServerTlsOptions;
  /** Who sent a request. Called for every one. */
  readonly viewer: (socket: TLSSocket) => Promise<Viewer> | Viewer;
  /** Whose key it was sent with, asking nobody; undefined where no certificate that counts was shown. */
  readonly client: (socket: TLSSocket) => KeyName | undefined;
};

/** The port of a service that believes these, if it is to have one, for whoever it is acquainted with. */
export function securePort(
  port: number | undefined,
  believing: Believing & { readonly identity: { readonly tls: TlsCredentials } },
  acquainted: Acquainted,
): SecurePort | undefined {
  if (port === undefined) return undefined;
  const authenticate = authenticator(believing, realTime);
  return {
    port,
    options: serverTlsOptions(believing.identity.tls),
    viewer: viewers(authenticate, acquainted),
    client: clients(authenticate),
  };
}
