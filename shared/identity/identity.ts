import { readFile } from "node:fs/promises";
import { OperatorError } from "../model/errors.ts";
import { parseCertificate } from "./certificate.ts";
import type { KeyName } from "./key.ts";
import { loadKeyFile, privateKeyPem } from "./key-file.ts";
import type { SigningKey } from "./signature.ts";

/** PEM texts, as TLS takes them: one's own key and certificate, and the authority's certificate. */
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
  const [cert, ca] = await Promise.all([readCertificateFile(files.cert), readCertificateFile(files.ca)]);
  if (!parseCertificate(cert).checkPrivateKey(signingKey.private)) {
    throw new OperatorError(`the certificate ${files.cert} is not that of the key ${files.key}`);
  }
  return identityFrom(signingKey, cert, ca);
}

export function identityFrom(signingKey: SigningKey, cert: string, ca: string): Identity {
  return { name: signingKey.public.name, signingKey, tls: { key: privateKeyPem(signingKey), cert, ca } };
}

async function readCertificateFile(path: string): Promise<string> {
  let pem: string;
  try {
    pem = await readFile(path, "utf8");
    parseCertificate(pem);
  } catch (cause) {
    throw new OperatorError(`${path} cannot be read as a certificate in PEM: ${(cause as Error).message}`, {
      cause,
    });
  }
  return pem;
}
