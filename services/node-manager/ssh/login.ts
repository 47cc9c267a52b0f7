import ssh2, { type AuthContext, type ParsedKey, type PublicKeyAuthContext } from "ssh2";
import { Fault } from "#shared/model/errors.ts";
import type { SshKey } from "./gateway.ts";

/** Reads a key in any of OpenSSH's formats. Throws MALFORMED for what is none. */
export function parsedKey(text: string): ParsedKey {
  const parsed = ssh2.utils.parseKey(text);
  if (parsed instanceof Error) throw new Fault("MALFORMED", "this is not an SSH key", { cause: parsed });
  return Array.isArray(parsed) ? parsed[0]! : parsed;
}

/**
 * The key with which somebody may enter, or undefined: the slice's live lease lists it and, once a signature is offered,
 * the signature is its own. Passwords and everything else are refused.
 */
export function keyOfEntrant(
  context: AuthContext,
  keysOf: (slice: string) => readonly SshKey[],
): SshKey | undefined {
  if (context.method !== "publickey") return undefined;
  const offer = context as PublicKeyAuthContext;
  const blob = offer.key.data.toString("base64");
  const listed = keysOf(offer.username).find((key) => key.blob === blob);
  return listed && provesPossession(offer) ? listed : undefined;
}

function provesPossession({ key, blob, signature, hashAlgo }: PublicKeyAuthContext): boolean {
  // Without a signature the client only asks whether the key would do; it then comes back with one.
  if (!signature || !blob) return signature === undefined;
  // RSA with SHA-1 (RFC 8332 §3): the library knows no other reason to name no hash.
  if (key.algo === "ssh-rsa" && hashAlgo === undefined) return false;
  const parsed = parsedKey(`${key.algo} ${key.data.toString("base64")}`);
  return parsed.verify(blob, signature, hashAlgo) === true;
}
