import type { TLSSocket } from "node:tls";
import type { ServiceIdentity } from "#shared/identity/service-identity.ts";
import { type Peer, peerOf, serverTlsOptions } from "#shared/identity/tls.ts";
import { systemClock } from "#shared/runtime/clock.ts";
import type { Database } from "#shared/runtime/database.ts";
import type { SecurePort } from "#shared/web/server.ts";
import { viewers } from "#shared/web/viewer.ts";
import { acquaintanceOf } from "./acquaintance.ts";
import type { AgentConfig } from "./config.ts";
import type { Revocations } from "./revocation/revocations.ts";

/** Whom an agent believes, and who is revoked. */
export type Authenticating = {
  readonly identity: Pick<ServiceIdentity, "tls" | "trust">;
  readonly revocations: Pick<Revocations, "isRevoked">;
};

/** Certificates are valid by real time, whatever clock the agent was given. */
export const realTime = (): Date => new Date(systemClock().milliseconds());

/** Tells who sent a request, checked anew for each: what a certificate was worth a moment ago says nothing. */
export function authenticator({ identity, revocations }: Authenticating): (socket: TLSSocket) => Peer {
  const { isRevoked } = revocations;
  return (socket) => peerOf(socket, { now: realTime(), trust: identity.trust, isRevoked });
}

/** Where the pages show more, and to whom. */
export function securePort(
  { listen }: Pick<AgentConfig, "listen">,
  parts: Authenticating & { readonly database: Database },
): SecurePort | undefined {
  if (listen.web_tls_port === undefined) return undefined;
  return {
    port: listen.web_tls_port,
    options: serverTlsOptions(parts.identity.tls),
    viewer: viewers(authenticator(parts), (name) => acquaintanceOf(parts.database, name)),
  };
}
