import { createPublicKey, type KeyObject } from "node:crypto";
import { open } from "node:fs/promises";
import { type CertificateFacts, certificateFacts, parseCertificate } from "#shared/identity/certificate.ts";
import { publicKeyFromRequest } from "#shared/identity/certificate-request.ts";
import { type PublicKey, publicKeyOf } from "#shared/identity/key.ts";
import { loadKeyFile } from "#shared/identity/key-file.ts";
import { OperatorError } from "#shared/model/errors.ts";

const MAX_FILE_BYTES = 65_536;

/** What a file is about: a key, and when it is a certificate, what that says. */
export type Subject = {
  readonly what: "certificate" | "private key" | "public key" | "certificate request";
  readonly key: PublicKey;
  readonly certificate?: CertificateFacts;
};

/** Reads a certificate, key or certificate request in PEM, whichever it is. */
export async function readSubject(path: string): Promise<Subject> {
  const pem = await readSmallFile(path);
  const label = /-----BEGIN ([A-Z0-9 ]+)-----/.exec(pem)?.[1] ?? "";
  switch (label) {
    case "CERTIFICATE": {
      const certificate = certificateFacts(parseCertificate(pem));
      return { what: "certificate", key: certificate.key, certificate };
    }
    case "PRIVATE KEY":
    case "RSA PRIVATE KEY":
      return { what: "private key", key: (await loadKeyFile(path)).public };
    case "PUBLIC KEY":
      return { what: "public key", key: publicKeyFromPem(pem, path) };
    case "CERTIFICATE REQUEST":
    case "NEW CERTIFICATE REQUEST":
      return { what: "certificate request", key: publicKeyFromRequest(pem) };
    default:
      throw new OperatorError(`${path} is not a certificate, key or certificate request in PEM`);
  }
}

/** A file's text, if it is of a size such a file can have. Throws OperatorError. */
export async function readSmallFile(path: string): Promise<string> {
  try {
    await using file = await open(path, "r");
    const { bytesRead, buffer } = await file.read({ buffer: Buffer.alloc(MAX_FILE_BYTES + 1) });
    if (bytesRead <= MAX_FILE_BYTES) return buffer.toString("utf8", 0, bytesRead);
  } catch (cause) {
    throw new OperatorError(`${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
  throw new OperatorError(`${path} is too large to be a certificate, key or certificate request`);
}

function publicKeyFromPem(pem: string, path: string): PublicKey {
  let object: KeyObject;
  try {
    object = createPublicKey(pem);
  } catch (cause) {
    throw new OperatorError(`${path} does not hold a public key in PEM`, { cause });
  }
  return publicKeyOf(object);
}
