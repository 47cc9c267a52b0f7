import { createPrivateKey, generateKeyPair, type KeyObject } from "node:crypto";
import { existsSync } from "node:fs";
import { constants, open } from "node:fs/promises";
import { promisify } from "node:util";
import { OperatorError } from "../model/errors.ts";
import { createNewFile } from "./new-file.ts";
import { type SigningKey, signingKey } from "./signature.ts";

/** What a new key is: RSA for identities (`bits` 2048–4096, 2048 unless given), Ed25519 for ticket keys. */
export type KeyKind = { readonly type: "rsa"; readonly bits?: number } | { readonly type: "ed25519" };

const OWNER_ONLY = 0o600;
const GROUP_OR_OTHERS = 0o077;

const generate = promisify(generateKeyPair);

/** A fresh key, made off the event loop. Throws WEAK_KEY for a size that no verifier here would accept. */
export async function generateSigningKey(kind: KeyKind): Promise<SigningKey> {
  const { privateKey } =
    kind.type === "rsa"
      ? await generate("rsa", { modulusLength: kind.bits ?? 2048, publicExponent: 65537 })
      : await generate("ed25519");
  return signingKey(privateKey);
}

/** The PKCS#8 PEM text of a private key, as OpenSSL, Python and Node's TLS read it. */
export function privateKeyPem(key: SigningKey): string {
  return key.private.export({ format: "pem", type: "pkcs8" }) as string;
}

/** Makes a key where it is used and keeps it in a new file only its owner reads. Never overwrites. */
export async function createKeyFile(path: string, kind: KeyKind): Promise<SigningKey> {
  const key = await generateSigningKey(kind);
  await createNewFile(path, privateKeyPem(key), OWNER_ONLY);
  return key;
}

/** The key in a file, made there the first time: what begins again keeps the key it had. Throws as `loadKeyFile`. */
export async function keyFileFor(path: string, kind: KeyKind): Promise<SigningKey> {
  return existsSync(path) ? await loadKeyFile(path) : await createKeyFile(path, kind);
}

/**
 * Reads a private key file. Throws OperatorError if it is missing, a symbolic link (whose target someone else may
 * choose), readable by group or others, or not an unencrypted private key; WEAK_KEY if the key itself is refused.
 */
export async function loadKeyFile(path: string): Promise<SigningKey> {
  return signingKey(parsePrivateKey(await readPrivateFile(path), path));
}

async function readPrivateFile(path: string): Promise<string> {
  await using file = await openUnlinked(path);
  const { mode } = await file.stat();
  if ((mode & constants.S_IFMT) !== constants.S_IFREG) {
    throw new OperatorError(`${path} is not a file; name the file that holds the private key`);
  }
  if ((mode & GROUP_OR_OTHERS) !== 0) {
    throw new OperatorError(
      `the private key ${path} is open to others (mode ${(mode & 0o777).toString(8)}); run: chmod 600 '${path}'`,
    );
  }
  return await file.readFile("utf8");
}

async function openUnlinked(path: string) {
  try {
    // O_NONBLOCK: a named pipe must be refused below, not waited for.
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    throw new OperatorError(whyUnopened(path, (cause as NodeJS.ErrnoException).code), { cause });
  }
}

function whyUnopened(path: string, code: string | undefined): string {
  switch (code) {
    case "ELOOP":
      return `the private key ${path} is a symbolic link; name the file itself, or move it here`;
    case "ENOENT":
      return `there is no private key ${path}; restore it, or make one with: slicelab authority request`;
    default:
      return `the private key ${path} cannot be opened (${code}); it must belong to whoever runs this`;
  }
}

function parsePrivateKey(pem: string, path: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new OperatorError(`${path} does not hold an unencrypted private key in PEM`, { cause });
  }
}
