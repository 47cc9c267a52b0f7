import type { TLSSocket } from "node:tls";
import type { KeyName } from "../identity/key.ts";
import type { Peer } from "../identity/tls.ts";
import { Fault } from "../model/errors.ts";

/** Whom something is for. Everybody sees what is public; an administrator sees everything. */
export type Audience = "public" | "principal" | "administrator";

/** Who looks, as far as this one request has shown. */
export type Viewer = {
  readonly audience: Audience;
  /** The name of the key, where a certificate was shown that counts here. */
  readonly name?: KeyName;
  /** What this service calls it. */
  readonly label?: string;
  /** Why nothing but the public is shown, as a sentence. */
  readonly reason?: string;
};

/** What a service knows of a key. Of one it does not know at all it says nothing, or why in `reason`. */
export type Acquaintance = Pick<Viewer, "audience" | "label" | "reason">;

/** Looks up what a key is here now. */
export type Acquainted = (name: KeyName) => Promise<Acquaintance> | Acquaintance;

/**
 * Of a service that knows principals by what it holds of theirs alone: whoever has a certificate may look at its own, and
 * the administrators that its configuration names at everything.
 */
export function byCertificate(administrators: readonly KeyName[] = []): Acquainted {
  const all = new Set(administrators);
  return (name) => ({ audience: all.has(name) ? "administrator" : "principal" });
}

export const STRANGER: Viewer = { audience: "public" };

const RANKS: Readonly<Record<Audience, number>> = { public: 0, principal: 1, administrator: 2 };

export function mayRead({ audience }: Viewer, wanted: Audience = "public"): boolean {
  return RANKS[audience] >= RANKS[wanted];
}

/**
 * Tells who sends a request, anew for each: `authenticate` throws what is wrong with the certificate (`peerOf`).
 * Whoever is wrong or unknown is a stranger, with the reason.
 */
export function viewers(
  authenticate: (socket: TLSSocket) => Peer,
  acquainted: Acquainted,
): (socket: TLSSocket) => Promise<Viewer> {
  return async (socket) => {
    let name: KeyName;
    try {
      name = authenticate(socket).name;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return { audience: "public", reason: `${error.code} ${error.name}: ${error.sentence}` };
    }
    return { name, ...(await acquainted(name)) };
  };
}

/** Tells with whose key a request is sent, if its certificate counts, before anything is looked up for it. */
export function clients(
  authenticate: (socket: TLSSocket) => Peer,
): (socket: TLSSocket) => KeyName | undefined {
  return (socket) => {
    try {
      return authenticate(socket).name;
    } catch (error) {
      if (error instanceof Fault) return undefined;
      throw error;
    }
  };
}
