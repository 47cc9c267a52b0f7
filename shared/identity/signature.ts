import { sign as cryptoSign, verify as cryptoVerify, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { Fault } from "../model/errors.ts";
import { type PublicKey, publicKeyOf } from "./key.ts";

/** The names of signature algorithms as a document's header writes them (WIRE.md §1). SHA-1 is never one. */
export type SignatureAlgorithm = "sig-ed25519-base64" | "sig-rsa-sha256-base64";

/** A private key with the public one it belongs to. Keep it: parsing a PEM per call costs three signatures. */
export type SigningKey = { readonly public: PublicKey; readonly private: KeyObject };

export function signingKey(privateKey: KeyObject): SigningKey {
  return { public: publicKeyOf(privateKey), private: privateKey };
}

/** The only algorithm a key signs documents with. The key decides, never a header. */
export function algorithmOf(key: PublicKey): SignatureAlgorithm {
  switch (key.algorithm) {
    case "ed25519":
      return "sig-ed25519-base64";
    case "rsa":
      return "sig-rsa-sha256-base64";
    case "p256":
      throw new Fault(
        "ALGORITHM_FORBIDDEN",
        "P-256 keys are for TLS only; sign documents with Ed25519 or RSA",
      );
    default:
      return key.algorithm satisfies never;
  }
}

/** Signs bytes. Deterministic for both algorithms, so a signature can be made again instead of stored. */
export function signBytes(key: SigningKey, bytes: Buffer): Buffer {
  return cryptoSign(digestOf(key.public), bytes, key.private);
}

const signOnThreadPool = promisify(cryptoSign) as (
  digest: string | null,
  bytes: Buffer,
  key: KeyObject,
) => Promise<Buffer>;

/** The same signature made off the event loop, for signing many at once. */
export function signBytesInBackground(key: SigningKey, bytes: Buffer): Promise<Buffer> {
  return signOnThreadPool(digestOf(key.public), bytes, key.private);
}

/** Verifies on the event loop: one verification is cheaper than a trip to the thread pool. */
export function verifyBytes(key: PublicKey, bytes: Buffer, signature: Buffer): boolean {
  return cryptoVerify(digestOf(key), bytes, key.object, signature);
}

function digestOf(key: PublicKey): "sha256" | null {
  return algorithmOf(key) === "sig-ed25519-base64" ? null : "sha256";
}
