import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import { before, test } from "node:test";
import fc from "fast-check";
import { CLIENT_AUTH, certificateFacts, SERVER_AUTH, validityFrom } from "#shared/identity/certificate.ts";
import {
  type CertificateAuthority,
  type CertificateTerms,
  createCertificateAuthority,
  issueCertificate,
  openCertificateAuthority,
} from "#shared/identity/certificate-authority.ts";
import { publicKeyOf } from "#shared/identity/key.ts";
import { generateSigningKey } from "#shared/identity/key-file.ts";
import type { SigningKey } from "#shared/identity/signature.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { runProgram, runToSuccess } from "#test/support/program.ts";

const VALIDITY = { notBefore: new Date("2020-01-01T00:00:00Z"), notAfter: new Date("2049-01-01T00:00:00Z") };

let authority: CertificateAuthority;
let key: SigningKey;

before(async () => {
  authority = createCertificateAuthority(
    await generateSigningKey({ type: "rsa", bits: 3072 }),
    "test authority",
    VALIDITY,
  );
  key = await generateSigningKey({ type: "rsa" });
});

function issue(terms: Partial<CertificateTerms> = {}): X509Certificate {
  const complete = { name: "alice", kind: "client", validity: VALIDITY, ...terms } as const;
  return new X509Certificate(issueCertificate(authority, key.public, complete).certPem);
}

/** What openssl's strict verification says of a certificate as one for `purpose`. */
async function verifyStrictly(certificate: X509Certificate, purpose: string): Promise<string> {
  await using directory = await temporaryDirectory();
  const [ca, cert] = [join(directory.path, "ca.pem"), join(directory.path, "a.crt")] as const;
  await writeFile(ca, authority.certPem);
  await writeFile(cert, certificate.toString());
  const { out, err } = await runProgram("openssl", [
    ...["verify", "-x509_strict", "-check_ss_sig", "-policy_check", "-purpose", purpose, "-CAfile", ca, cert],
  ]);
  return out + err;
}

test("a client's certificate passes openssl's strictest check as a client's only", async () => {
  const certificate = issue();
  assert.match(await verifyStrictly(certificate, "sslclient"), /: OK\n$/);
  assert.match(await verifyStrictly(certificate, "sslserver"), /unsuitable certificate purpose/);
  assert.deepEqual(certificate.keyUsage, [CLIENT_AUTH]);
});

test("a server's certificate passes openssl's strictest check as a server's and as a client's", async () => {
  const certificate = issue({ kind: "server", addresses: ["10.77.0.1", "2001:db8::1", "node-1.example"] });
  assert.match(await verifyStrictly(certificate, "sslserver"), /: OK\n$/);
  assert.match(await verifyStrictly(certificate, "sslclient"), /: OK\n$/);
  assert.deepEqual(certificate.keyUsage?.toSorted(), [SERVER_AUTH, CLIENT_AUTH].toSorted());
});

test("neither kind of certificate can certify", async () => {
  for (const certificate of [issue(), issue({ kind: "server", addresses: ["127.0.0.1"] })]) {
    assert.equal(certificate.ca, false);
    assert.match(await verifyStrictly(certificate, "crlsign"), /error/);
  }
});

test("the authority's certificate is the root it says it is", async () => {
  const own = authority.certificate;
  assert.ok(own.ca);
  assert.ok(own.verify(authority.key.public.object));
  assert.ok(issue().checkIssued(own));
  assert.ok(issue().verify(own.publicKey));
  assert.match(await verifyStrictly(own, "any"), /: OK\n$/);
});

test("key identifiers, critical flags and serial are written as RFC 5280 has them", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "a.crt");
  await writeFile(path, issue({ kind: "server", addresses: ["127.0.0.1"] }).toString());
  const text = await runToSuccess("openssl", [
    "x509",
    "-in",
    path,
    "-noout",
    "-text",
    "-certopt",
    "ext_parse",
  ]);
  assert.match(text, /Basic Constraints: critical\n\s+CA:FALSE/);
  assert.match(text, /Key Usage: critical\n\s+Digital Signature\n/);
  assert.match(text, /Subject Key Identifier/);
  const identifier = (certificate: string) => /Key Identifier: \n\s+([0-9A-F:]{59})/.exec(certificate)?.[1];
  const ownText = await runToSuccess("openssl", ["x509", "-noout", "-text"], { input: authority.certPem });
  const authorityIdentifier = /Authority Key Identifier: \n\s+([0-9A-F:]{59})/.exec(text)?.[1];
  assert.equal(authorityIdentifier, identifier(ownText));
});

test("serials are positive, at most 20 bytes, and never the same", () => {
  const serials = Array.from({ length: 200 }, () => issue().serialNumber);
  for (const serial of serials) assert.match(serial, /^[4-7][0-9A-F]{31}$/);
  assert.equal(new Set(serials).size, serials.length);
});

const anyName = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,62}[A-Za-z0-9._@-]$/);
const anyAddress = fc.oneof(
  fc.ipV4(),
  fc.ipV6().filter((ip) => !ip.includes(".")),
  fc.domain().map((name) => name.toLowerCase()),
);

test("whatever the terms, the certificate says exactly them", () => {
  const terms = fc.record({
    name: anyName,
    addresses: fc.uniqueArray(anyAddress, { minLength: 1, maxLength: 5 }),
    notBefore: fc.date({ min: new Date("2020-01-01"), max: new Date("2030-01-01"), noInvalidDate: true }),
    days: fc.integer({ min: 1, max: 3650 }),
  });
  fc.assert(
    fc.property(terms, ({ name, addresses, notBefore, days }) => {
      const validity = validityFrom(notBefore, days);
      const certificate = issue({ name, kind: "server", addresses, validity });
      const facts = certificateFacts(certificate);
      assert.deepEqual([facts.name, facts.kind, facts.key.name], [name, "server", key.public.name]);
      assert.equal(facts.addresses.length, addresses.length);
      for (const address of addresses) {
        assert.ok(isIP(address) ? certificate.checkIP(address) : certificate.checkHost(address), address);
      }
      assert.ok(Math.abs(facts.validity.notBefore.getTime() - validity.notBefore.getTime()) < 1000);
      assert.ok(Math.abs(facts.validity.notAfter.getTime() - validity.notAfter.getTime()) < 1000);
    }),
    { numRuns: 100 },
  );
});

test("validity begins five minutes before it is issued", () => {
  const { notBefore, notAfter } = validityFrom(new Date("2030-01-01T00:00:00Z"), 2);
  assert.equal(notBefore.toISOString(), "2029-12-31T23:55:00.000Z");
  assert.equal(notAfter.toISOString(), "2030-01-03T00:00:00.000Z");
});

test("a validity past 2049 is written so that everybody reads it", async () => {
  const long = { notBefore: VALIDITY.notBefore, notAfter: new Date("2080-01-01T00:00:00Z") };
  const other = createCertificateAuthority(authority.key, "long-lived", long);
  assert.equal(other.certificate.validToDate.toISOString(), "2080-01-01T00:00:00.000Z");
});

const badNames = [
  "",
  " a",
  "-a",
  "a\nCN=admin",
  "a\0",
  "a/b",
  "ä",
  "a,b",
  "a=b",
  "a\u202eb",
  "a".repeat(65),
  "../a",
];
for (const name of badNames) {
  test(`the name ${JSON.stringify(name).slice(0, 20)} is refused`, () => {
    assert.throws(() => issue({ name }), { name: "BAD_NAME" });
  });
}

const badAddresses = [
  "",
  "*",
  "*.example",
  "Node.example",
  "a..b",
  "-a.example",
  "a b",
  "a\n",
  "127.0.0.1:8000",
  "127.0.0",
  "256.0.0.1",
  "fe80::1%eth0",
  "::ffff:127.0.0.1",
  "user@host",
  "https://host",
  "DNS:host",
  "a.".repeat(128),
];
for (const address of badAddresses) {
  test(`the address ${JSON.stringify(address).slice(0, 24)} is refused`, () => {
    assert.throws(() => issue({ kind: "server", addresses: [address] }), { name: "BAD_NAME" });
  });
}

test("a server without addresses and a client with one are refused", () => {
  assert.throws(() => issue({ kind: "server", addresses: [] }), { name: "MALFORMED" });
  assert.throws(() => issue({ kind: "client", addresses: ["127.0.0.1"] }), { name: "MALFORMED" });
});

test("no certificate outlives the authority's or ends before it begins", () => {
  const { notBefore, notAfter } = VALIDITY;
  const later = new Date(notAfter.getTime() + 1000);
  assert.throws(() => issue({ validity: { notBefore, notAfter: later } }), { name: "MALFORMED" });
  assert.throws(() => issue({ validity: { notBefore: notAfter, notAfter: notBefore } }), {
    name: "MALFORMED",
  });
  assert.throws(() => issue({ validity: { notBefore, notAfter: notBefore } }), { name: "MALFORMED" });
});

test("the authority's own key, and keys that are not RSA, are not certified", async () => {
  const terms = { name: "x", kind: "client", validity: VALIDITY } as const;
  assert.throws(() => issueCertificate(authority, authority.key.public, terms), { name: "MALFORMED" });
  const ed25519 = await generateSigningKey({ type: "ed25519" });
  assert.throws(() => issueCertificate(authority, ed25519.public, terms), { name: "WEAK_KEY" });
});

test("an authority is not opened with another's key, nor with a certificate that certifies nothing", async () => {
  const other = await generateSigningKey({ type: "rsa" });
  assert.throws(() => openCertificateAuthority(other, authority.certPem), { name: "MALFORMED" });
  assert.throws(() => openCertificateAuthority(key, issue().toString()), { name: "MALFORMED" });
  assert.throws(() => openCertificateAuthority(key, "hello"), { name: "MALFORMED" });
});

test("a name in a certificate is the key's, however the certificate was made", () => {
  assert.equal(publicKeyOf(issue().publicKey).name, key.public.name);
});
