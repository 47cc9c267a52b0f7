import { sign } from "node:crypto";
import forge from "node-forge";
import { refuseBadName } from "./certificate-name.ts";
import type { SigningKey } from "./signature.ts";

/** A certificate or a certificate request of node-forge, before it is signed. */
type Signable = { sign(key: forge.pki.rsa.PrivateKey, digest: forge.md.MessageDigest): void };

/**
 * Signs with RSA-SHA256 by OpenSSL instead of forge's own arithmetic, which is 80 times slower and handles private
 * keys in JavaScript numbers. Forge asks two things of us: a digest to feed with the bytes, a key to sign that digest.
 */
export function signWithOpenssl(unsigned: Signable, key: SigningKey): void {
  let bytes = Buffer.alloc(0);
  const collect = {
    algorithm: "sha256",
    update(binary: string) {
      bytes = Buffer.from(binary, "binary");
    },
  };
  const signer = { sign: () => sign("sha256", bytes, key.private).toString("binary") };
  unsigned.sign(signer as unknown as forge.pki.rsa.PrivateKey, collect as unknown as forge.md.MessageDigest);
}

/** The distinguished name of whoever is called `name`. Throws BAD_NAME unless it is short and printable. */
export function commonName(name: string): forge.pki.CertificateField[] {
  refuseBadName(name);
  // forge wants the number of a string type here, which its types call a class
  const utf8 = forge.asn1.Type.UTF8 as unknown as forge.asn1.Class;
  return [{ name: "commonName", value: name, valueTagClass: utf8 }];
}
