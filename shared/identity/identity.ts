import { readFile } from "node:fs/promises";
import { OperatorError } from "../model/errors.ts";
import { parseCertificate } from "./certificate.ts";
import type { KeyName } from "./key.ts";
import { loadKeyFile, privateKeyPem } from "./key-file.ts";
import type { SigningKey } from "./signature.ts";
import { Trust } from "./trust.ts";

/** PEM texts, as TLS takes them: one's own key and certificate, and those of the authorities one trusts (`Trust`). */
export type TlsCredentials = { readonly key: string; readonly cert: string; readonly ca: string };

/** Who a process or person is: one key, what signs with it, and what TLS shows of it. */
export type Identity = {
  readonly name: KeyName;
  readonly signingKey: SigningKey;
  readonly tls: TlsCredentials;
};

/** The files of an identity. */
export type IdentityFiles = { readonly key: string; readonly cert: string; readonly ca: string };

/** Loads an identity at start-up. Throws OperatorError for what is missing, readable by others or doesn't match. */
export async function loadIdentity(files: IdentityFiles): Promise<Identity> {
  const signingKey = await loadKeyFile(files.key);
  const { cert, ca } = await readCertificates(files, signingKey);
  return identityFrom(signingKey, cert, ca);
}

/** The certificate of `key` and the authorities', as they are in their files now. Throws OperatorError. */
export async function readCertificates(
  { key: keyFile, cert: certFile, ca: caFile }: IdentityFiles,
  key: SigningKey,
): Promise<Pick<TlsCredentials, "cert" | "ca">> {
  const [cert, ca] = await Promise.all([
    readPem(certFile, parseCertificate),
    readPem(caFile, (pem) => new Trust(pem)),
  ]);
  if (!parseCertificate(cert).checkPrivateKey(key.private)) {
    throw new OperatorError(`the certificate ${certFile} is not that of the key ${keyFile}`);
  }
  return { cert, ca };
}

export function identityFrom(signingKey: SigningKey, cert: string, ca: string): Identity {
  return { name: signingKey.public.name, signingKey, tls: { key: privateKeyPem(signingKey), cert, ca } };
}

async function readPem(path: string, check: (pem: string) => unknown): Promise<string> {
  let pem: string;
  try {
    pem = await readFile(path, "utf8");
    check(pem);
  } catch (cause) {
    throw new OperatorError(`${path} cannot be read as a certificate in PEM: ${(cause as Error).message}`, {
      cause,
    });
  }
  return pem;
}
