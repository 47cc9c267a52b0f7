import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import { Fault, refuseUnless } from "../model/errors.ts";

/** SHA-256 of a SubjectPublicKeyInfo, 64 lower-case hex digits: what a principal, node or agent is called. */
export type KeyName = string;

/** A public key that was checked once: its algorithm, size and encoding are acceptable and it has one name. */
export type PublicKey = {
  readonly name: KeyName;
  /** v0.5's name: SHA-1 of the PEM text, trailing newline included. For display and v0.5's readers only. */
  readonly sha1: string;
  readonly algorithm: "ed25519" | "rsa" | "p256";
  readonly spki: Buffer;
  readonly object: KeyObject;
};

const P256_SPKI_BYTES = 91;

/**
 * Reads a SubjectPublicKeyInfo. Refused: other algorithms, RSA outside 2048–4096 bits or with e ≠ 65537, and any
 * encoding that is not exactly what the same key is written as, since an alias would hash to a second name.
 */
export function publicKeyFromSpki(spki: Buffer): PublicKey {
  let object: KeyObject;
  try {
    object = createPublicKey({ key: spki, format: "der", type: "spki" });
  } catch (cause) {
    throw new Fault("MALFORMED", "this is not a SubjectPublicKeyInfo", { cause });
  }
  return publicKeyFrom(object, spki);
}

/** The checked public key of a key object: of a private key, its public half. */
export function publicKeyOf(object: KeyObject): PublicKey {
  const half = object.type === "private" ? createPublicKey(object) : object;
  return publicKeyFrom(half, half.export({ format: "der", type: "spki" }));
}

function publicKeyFrom(object: KeyObject, spki: Buffer): PublicKey {
  const algorithm = acceptableAlgorithm(object, spki);
  const reexported = object.export({ format: "der", type: "spki" });
  refuseUnless(
    reexported.equals(spki),
    "WEAK_KEY",
    "the key is not in its canonical encoding; export it again as a SubjectPublicKeyInfo",
  );
  let sha1: string | undefined;
  return {
    name: createHash("sha256").update(spki).digest("hex"),
    // Only when asked: exporting the text costs a third of importing a key, and verifying a chain never needs it.
    get sha1() {
      sha1 ??= createHash("sha1")
        .update(object.export({ format: "pem", type: "spki" }))
        .digest("hex");
      return sha1;
    },
    algorithm,
    spki,
    object,
  };
}

function acceptableAlgorithm(object: KeyObject, spki: Buffer): PublicKey["algorithm"] {
  const details = object.asymmetricKeyDetails ?? {};
  switch (object.asymmetricKeyType) {
    case "ed25519":
      return "ed25519";
    case "rsa": {
      const bits = details.modulusLength ?? 0;
      refuseUnless(
        bits >= 2048 && bits <= 4096 && details.publicExponent === 65537n,
        "WEAK_KEY",
        `an RSA key of ${bits} bits is refused; use 2048 to 4096 bits with e = 65537`,
      );
      return "rsa";
    }
    case "ec":
      refuseUnless(
        details.namedCurve === "prime256v1" && spki.length === P256_SPKI_BYTES,
        "WEAK_KEY",
        "an EC key must be on P-256 and uncompressed",
      );
      return "p256";
    default:
      throw new Fault("WEAK_KEY", `keys of type ${object.asymmetricKeyType} are refused; use Ed25519 or RSA`);
  }
}
