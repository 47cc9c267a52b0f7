import { generateKeyPair } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import forge from "node-forge";
import type { CertificateKind, Validity } from "#shared/identity/certificate.ts";
import {
  type CertificateAuthority,
  createCertificateAuthority,
  issueCertificate,
} from "#shared/identity/certificate-authority.ts";
import { type Identity, type IdentityFiles, identityFrom } from "#shared/identity/identity.ts";
import { generateSigningKey, privateKeyPem } from "#shared/identity/key-file.ts";
import type { SigningKey } from "#shared/identity/signature.ts";

/**
 * A certified key of a test. `name` is the SHA-256 peers know it by; `tls` goes to `serverTlsOptions`,
 * `clientTlsOptions` or Node's own TLS as it is, and the three PEM texts are the same ones by themselves.
 */
export type TestIdentity = Identity & {
  readonly keyPem: string;
  readonly certPem: string;
  readonly caPem: string;
};

/** Covers the real time of any run and whatever time a test pretends, unless `validity` says otherwise. */
export type TestCertificateOptions = { readonly validity?: Validity; readonly key?: SigningKey };

/** PEM texts of a client whose key our own code refuses to hold. */
export type BadClient = { readonly tls: { key: string; cert: string; ca: string } };

export type TestAuthority = {
  readonly caPem: string;
  readonly authority: CertificateAuthority;
  client(name: string, options?: TestCertificateOptions): Promise<TestIdentity>;
  /** Serves the addresses given: 127.0.0.1 and localhost unless told otherwise. */
  server(
    name: string,
    addresses?: readonly string[],
    options?: TestCertificateOptions,
  ): Promise<TestIdentity>;
  /** A client whose certificate ended in 2021. */
  expired(name: string): Promise<TestIdentity>;
  /** A client certified by another authority that calls itself the same. It trusts our servers all the same. */
  foreign(name: string): Promise<TestIdentity>;
  /** A client with a certificate it signed itself. */
  selfSigned(name: string): Promise<TestIdentity>;
  /** A client with an RSA key of 1024 bits, properly certified. */
  weak(name: string): Promise<BadClient>;
  /** A key certified for serverAuth alone, which is no client. */
  wrongPurpose(name: string): Promise<TestIdentity>;
  /** A key certified for no purpose in particular (no extended key usage). */
  withoutPurpose(name: string): Promise<TestIdentity>;
};

const LONG: Validity = {
  notBefore: new Date("2020-01-01T00:00:00Z"),
  notAfter: new Date("2049-12-31T00:00:00Z"),
};
const PAST: Validity = { notBefore: LONG.notBefore, notAfter: new Date("2021-01-01T00:00:00Z") };

/**
 * An authority in memory, a fresh one unless one was `made` before. Making one, and each identity of it, costs one
 * RSA-2048 key: ask in parallel, or take `runAuthority`.
 */
export async function testAuthority(
  name = "test authority",
  made?: CertificateAuthority,
): Promise<TestAuthority> {
  const authority = made ?? createCertificateAuthority(await generateSigningKey({ type: "rsa" }), name, LONG);
  const caPem = authority.certPem;

  async function certified(
    by: CertificateAuthority,
    terms: { name: string; kind: CertificateKind; addresses?: readonly string[] },
    options: TestCertificateOptions = {},
  ): Promise<TestIdentity> {
    const key = options.key ?? (await generateSigningKey({ type: "rsa" }));
    const { certPem } = issueCertificate(by, key.public, { ...terms, validity: options.validity ?? LONG });
    return testIdentity(key, certPem, caPem);
  }

  async function withUsages(name: string, usages: object[]): Promise<TestIdentity> {
    const key = await generateSigningKey({ type: "rsa" });
    return testIdentity(key, certifyByHand(authority, privateKeyPem(key), name, usages), caPem);
  }

  return {
    caPem,
    authority,
    client: (name, options) => certified(authority, { name, kind: "client" }, options),
    server: (name, addresses = ["127.0.0.1", "localhost"], options = {}) =>
      certified(authority, { name, kind: "server", addresses }, options),
    expired: (name) => certified(authority, { name, kind: "client" }, { validity: PAST }),
    foreign: async (clientName) => {
      const other = createCertificateAuthority(await generateSigningKey({ type: "rsa" }), name, LONG);
      return await certified(other, { name: clientName, kind: "client" });
    },
    selfSigned: async (name) => {
      const key = await generateSigningKey({ type: "rsa" });
      return testIdentity(key, createCertificateAuthority(key, name, LONG).certPem, caPem);
    },
    weak: async (name) => {
      const key = await rsa1024();
      const cert = certifyByHand(authority, key, name, [{ name: "extKeyUsage", clientAuth: true }]);
      return { tls: { key, cert, ca: caPem } };
    },
    wrongPurpose: (name) => withUsages(name, [{ name: "extKeyUsage", serverAuth: true }]),
    withoutPurpose: (name) => withUsages(name, []),
  };
}

/** Writes `<name>.key` (0600), `<name>.crt` and `ca.pem` into a directory, for clients outside this process. */
export async function writeIdentity(
  directory: string,
  name: string,
  tls: Identity["tls"],
): Promise<IdentityFiles> {
  const files = {
    key: join(directory, `${name}.key`),
    cert: join(directory, `${name}.crt`),
    ca: join(directory, "ca.pem"),
  };
  await writeFile(files.key, tls.key, { mode: 0o600 });
  await writeFile(files.cert, tls.cert);
  await writeFile(files.ca, tls.ca);
  return files;
}

/** A key, with the certificate it has and the authority's. */
export function testIdentity(key: SigningKey, certPem: string, caPem: string): TestIdentity {
  const identity = identityFrom(key, certPem, caPem);
  return { ...identity, keyPem: identity.tls.key, certPem, caPem };
}

async function rsa1024(): Promise<string> {
  const pair = await promisify(generateKeyPair)("rsa", { modulusLength: 1024 });
  return pair.privateKey.export({ format: "pem", type: "pkcs8" }) as string;
}

/** A certificate our own authority would never issue. */
function certifyByHand(by: CertificateAuthority, keyPem: string, name: string, extensions: object[]): string {
  const { n, e } = forge.pki.privateKeyFromPem(keyPem);
  const certificate = forge.pki.createCertificate();
  certificate.serialNumber = "4242";
  certificate.publicKey = forge.pki.setRsaPublicKey(n, e);
  Object.assign(certificate.validity, LONG);
  certificate.setSubject([{ name: "commonName", value: name }]);
  certificate.setIssuer(forge.pki.certificateFromPem(by.certPem).subject.attributes);
  certificate.setExtensions(extensions);
  certificate.sign(forge.pki.privateKeyFromPem(privateKeyPem(by.key)), forge.md.sha256.create());
  return forge.pki.certificateToPem(certificate);
}
