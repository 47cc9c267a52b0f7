import type { TLSSocket } from "node:tls";
import type { KeyName } from "#shared/identity/key.ts";
import type { ServiceIdentity } from "#shared/identity/service-identity.ts";
import { type Peer, peerOf, serverTlsOptions } from "#shared/identity/tls.ts";
import { realTime } from "#shared/runtime/clock.ts";
import type { SecurePort } from "#shared/web/server.ts";
import { viewers } from "#shared/web/viewer.ts";
import type { NodeManagerConfig } from "./config.ts";
import { acquaintanceOf } from "./pages/own.ts";

/** Whom a node believes, and who is revoked. */
export type Authenticating = {
  readonly identity: Pick<ServiceIdentity, "tls" | "trust">;
  readonly revocations: { readonly isRevoked: (key: KeyName) => boolean };
};

/** Tells who sent a request, checked anew for each. */
export function authenticator({ identity, revocations }: Authenticating): (socket: TLSSocket) => Peer {
  return (socket) => {
    const { isRevoked } = revocations;
    return peerOf(socket, { now: realTime(), trust: identity.trust, isRevoked });
  };
}

/** Where whoever has a certificate sees its own. */
export function securePort(
  { ports }: Pick<NodeManagerConfig, "ports">,
  parts: Authenticating,
): SecurePort | undefined {
  if (ports.web_tls === undefined) return undefined;
  return {
    port: ports.web_tls,
    options: serverTlsOptions(parts.identity.tls),
    viewer: viewers(authenticator(parts), acquaintanceOf),
  };
}
