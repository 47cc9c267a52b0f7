import { readFile } from "node:fs/promises";
import { parseCertificate } from "#shared/identity/certificate.ts";
import { type KeyName, publicKeyOf } from "#shared/identity/key.ts";
import { OperatorError } from "#shared/model/errors.ts";

/** The keys of those that an authority certifies for, as its configuration names them. Throws OperatorError. */
export async function registrarKeys(named: readonly string[]): Promise<ReadonlySet<KeyName>> {
  return new Set(await Promise.all(named.map(registrarKey)));
}

/** A registrar's key: its name as it is, or that of the key in a certificate's file. Throws OperatorError. */
async function registrarKey(named: string): Promise<KeyName> {
  if (!named.startsWith("/")) return named;
  try {
    return publicKeyOf(parseCertificate(await readFile(named, "utf8")).publicKey).name;
  } catch (cause) {
    throw new OperatorError(
      `the registrar's certificate ${named} cannot be read: ${(cause as Error).message}`,
      { cause },
    );
  }
}
