import type { TLSSocket } from "node:tls";
import type { KeyName } from "./key.ts";
import { type Peer, peerOf } from "./tls.ts";
import type { Trust } from "./trust.ts";

/** Whom a service believes now, and who is revoked. */
export type Believing = {
  readonly identity: { readonly trust: Trust };
  readonly revocations: { readonly isRevoked: (key: KeyName) => boolean };
};

/**
 * Tells who sent a request, checked anew for each: what a certificate was worth a moment ago says nothing. `now`: real
 * time, which certificates go by.
 */
export function authenticator(
  { identity, revocations }: Believing,
  now: () => Date,
): (socket: TLSSocket) => Peer {
  return (socket) => {
    const { isRevoked } = revocations;
    return peerOf(socket, { now: now(), trust: identity.trust, isRevoked });
  };
}
