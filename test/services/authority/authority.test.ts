import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { appendFile, chmod, cp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, test } from "node:test";
import { type Authority, initAuthority, openAuthority } from "#services/authority/authority.ts";
import {
  CLIENT_AUTH,
  certificateFacts,
  parseCertificate,
  validityFrom,
} from "#shared/identity/certificate.ts";
import { createCertificateRequest } from "#shared/identity/certificate-request.ts";
import { publicKeyOf } from "#shared/identity/key.ts";
import { generateSigningKey } from "#shared/identity/key-file.ts";
import type { SigningKey } from "#shared/identity/signature.ts";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import { openRevocations } from "#shared/wire/revocation-document.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { runToSuccess } from "#test/support/program.ts";

const NOW = new Date("2026-06-01T12:00:00Z");
const OWN = { name: "test authority", validity: validityFrom(NOW, 3653) };
const ALICE = { name: "alice", kind: "client", validity: validityFrom(NOW, 365) } as const;

let alice: SigningKey;
let bob: SigningKey;
/** An authority's directory to copy: its RSA-3072 key is slow to make. */
let made: AsyncDisposable & { readonly path: string };

before(async () => {
  made = await temporaryDirectory();
  await initAuthority(made.path, OWN);
  [alice, bob] = await Promise.all([
    generateSigningKey({ type: "rsa" }),
    generateSigningKey({ type: "rsa" }),
  ]);
});

async function freshAuthority(): Promise<
  AsyncDisposable & { readonly path: string; readonly authority: Authority }
> {
  const directory = await temporaryDirectory();
  await cp(made.path, directory.path, { recursive: true });
  return { ...directory, authority: await openAuthority(directory.path) };
}

function request(key: SigningKey): string {
  return createCertificateRequest(key, "x");
}

function fault(name: string) {
  return (error: unknown) => error instanceof Fault && error.name === name;
}

test("a new authority keeps an RSA-3072 key to itself and a certificate of ten years", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "deeper", "authority");
  const authority = await initAuthority(path, OWN);
  const facts = certificateFacts(new X509Certificate(authority.caPem));
  assert.deepEqual([facts.name, facts.kind, facts.issuer], ["test authority", "authority", "test authority"]);
  assert.equal(facts.key.object.asymmetricKeyDetails?.modulusLength, 3072);
  assert.equal(facts.validity.notBefore.toISOString(), "2026-06-01T11:55:00.000Z");
  assert.equal(facts.validity.notAfter.toISOString(), "2036-06-01T12:00:00.000Z");
  assert.equal((await stat(path)).mode & 0o777, 0o700);
  assert.equal((await stat(join(path, "ca.key"))).mode & 0o777, 0o600);
});

test("an authority is made once, whoever tries at the same time", async () => {
  await using directory = await temporaryDirectory();
  const attempts = await Promise.allSettled([1, 2, 3].map(() => initAuthority(directory.path, OWN)));
  assert.deepEqual(attempts.map((attempt) => attempt.status).toSorted(), [
    "fulfilled",
    "rejected",
    "rejected",
  ]);
  const before = await readFile(join(directory.path, "ca.pem"), "utf8");
  await assert.rejects(initAuthority(directory.path, OWN), OperatorError);
  assert.equal(await readFile(join(directory.path, "ca.pem"), "utf8"), before);
});

for (const lost of [["ca.pem"], ["ca.pem", "revoked.jsonl"], ["ca.pem", "revoked.jsonl", "issued.jsonl"]]) {
  test(`making an authority again finishes one killed before it wrote ${lost.at(-1)}`, async () => {
    await using fresh = await freshAuthority();
    for (const name of lost) await rm(join(fresh.path, name));
    const key = await readFile(join(fresh.path, "ca.key"), "utf8");
    const authority = await initAuthority(fresh.path, OWN);
    assert.equal(await readFile(join(fresh.path, "ca.key"), "utf8"), key);
    await authority.issue(request(alice), ALICE);
  });
}

test("what is issued is what the operator said, and stands in the register", async () => {
  await using fresh = await freshAuthority();
  const addresses = ["10.77.0.1", "node-1.example"];
  const terms = { name: "node-1", kind: "server", addresses, validity: validityFrom(NOW, 30) } as const;
  const { certPem, serial } = await fresh.authority.issue(request(alice), terms);
  const certificate = new X509Certificate(certPem);
  assert.ok(certificate.checkIssued(new X509Certificate(fresh.authority.caPem)));
  assert.deepEqual(await (await openAuthority(fresh.path)).issued(), [
    {
      serial,
      key: alice.public.name,
      name: "node-1",
      kind: "server",
      addresses,
      notBefore: "2026-06-01T11:55:00.000Z",
      notAfter: "2026-07-01T12:00:00.000Z",
    },
  ]);
});

test("a request that asks to be an authority, an administrator and a server gets none of it", async () => {
  await using fresh = await freshAuthority();
  const greedy = join(fresh.path, "greedy.cnf");
  await writeFile(
    greedy,
    `[req]
distinguished_name = dn
req_extensions = ext
prompt = no
[dn]
O = Slicelab
CN = admin
[ext]
basicConstraints = critical, CA:TRUE, pathlen:9
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
extendedKeyUsage = serverAuth, clientAuth, codeSigning, anyExtendedKeyUsage
subjectAltName = IP:127.0.0.1, DNS:agent.example, email:admin@example.org
nameConstraints = permitted;DNS:.example
subjectKeyIdentifier = 00112233
1.2.3.4 = ASN1:UTF8String:anything
`,
  );
  const csr = await runToSuccess("openssl", [
    ...["req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-config", greedy],
  ]);
  const { certPem } = await fresh.authority.issue(csr, ALICE);
  const certificate = new X509Certificate(certPem);
  assert.equal(certificate.subject, "CN=alice");
  assert.equal(certificate.ca, false);
  assert.equal(certificate.subjectAltName, undefined);
  assert.deepEqual(certificate.keyUsage, [CLIENT_AUTH]);
  const text = await runToSuccess("openssl", ["x509", "-noout", "-text"], { input: certPem });
  assert.deepEqual(
    [...text.matchAll(/^ {12}(\S.*?):/gm)]
      .map((match) => match[1])
      .filter((name) => name!.startsWith("X509v3")),
    ["Basic", "Key", "Extended", "Subject", "Authority"].map((word, index) =>
      index < 3
        ? ["X509v3 Basic Constraints", "X509v3 Key Usage", "X509v3 Extended Key Usage"][index]
        : `X509v3 ${word} Key Identifier`,
    ),
  );
  assert.doesNotMatch(text, /1\.2\.3\.4|agent\.example|00:11:22:33|Name Constraints/);
});

test("a revoked key is never certified again, under any name, by any process", async () => {
  await using fresh = await freshAuthority();
  await fresh.authority.issue(request(alice), ALICE);
  await fresh.authority.revoke(alice.public.name, NOW);
  const reopened = await openAuthority(fresh.path);
  for (const authority of [fresh.authority, reopened]) {
    await assert.rejects(
      authority.issue(request(alice), { ...ALICE, name: "bob" }),
      fault("CERTIFICATE_REVOKED"),
    );
  }
  assert.equal((await reopened.issued()).length, 1);
  await reopened.issue(request(bob), ALICE);
  assert.equal((await reopened.issued()).length, 2, "another key may have the same name");
});

test("revoking twice is revoking once; revoking a key nobody certified is a mistake", async () => {
  await using fresh = await freshAuthority();
  await fresh.authority.issue(request(alice), ALICE);
  await fresh.authority.revoke(alice.public.name, NOW);
  await fresh.authority.revoke(alice.public.name, new Date("2027-01-01T00:00:00Z"));
  assert.deepEqual(await fresh.authority.revoked(), [
    { key: alice.public.name, revokedAt: "2026-06-01T12:00:00.000Z" },
  ]);
  await assert.rejects(fresh.authority.revoke(bob.public.name, NOW), fault("UNKNOWN_KEY"));
});

test("the signed list names every revoked key, and its number rises", async () => {
  await using fresh = await freshAuthority();
  const key = publicKeyOf(parseCertificate(fresh.authority.caPem).publicKey);
  const read = (text: string) => openRevocations(text, key, "authority").list;
  const nobody = (await fresh.authority.revocations(NOW)).list;
  assert.deepEqual(
    [nobody.revoked, nobody.nextUpdate! - nobody.at],
    [[], 90 * 86_400],
    "nothing was ever revoked",
  );
  await fresh.authority.issue(request(alice), ALICE);
  await fresh.authority.issue(request(bob), { ...ALICE, name: "bob" });
  const { file: path } = await fresh.authority.revoke(alice.public.name, NOW);
  const first = await readFile(path, "utf8");
  assert.deepEqual(
    read(first).revoked.map(({ kind, id }) => [kind, id]),
    [["key", alice.public.name]],
  );
  await fresh.authority.revoke(alice.public.name, new Date("2026-07-01T00:00:00Z"));
  assert.equal(await readFile(path, "utf8"), first, "nothing was new");
  await fresh.authority.revoke(bob.public.name, NOW);
  const second = read(await readFile(path, "utf8"));
  assert.deepEqual(second.revoked.map(({ id }) => id).sort(), [alice.public.name, bob.public.name].sort());
  assert.ok(second.number > read(first).number, "within the same second, too");
  assert.equal((await stat(path)).mode & 0o777, 0o644);

  await writeFile(path, first); // killed between the register and the list
  const made = read((await fresh.authority.revocations(new Date("2026-06-01T12:00:09Z"))).document);
  assert.equal(made.revoked.length, 2);
  await rm(path);
  const again = read((await fresh.authority.revocations(new Date("2026-06-01T12:00:20Z"))).document);
  assert.ok(again.number > made.number, "also where its last number is forgotten");
  const lists = async (days: number[], good: number) => {
    const made = await Promise.all(
      days.map((day) => fresh.authority.revocations(new Date(Date.UTC(2026, 5, 1 + day, 12, 0, 20)), good)),
    );
    return made.map(({ list }) => list.number - again.number);
  };
  assert.deepEqual(await lists([1, 44], 90), [0, 0]);
  assert.deepEqual(await lists([4], 7), [4 * 86_400], "signed again when half of its time is over");
  assert.deepEqual(await lists([7], 7), [4 * 86_400]);
  assert.deepEqual(await lists([11], 90), [11 * 86_400], "and when the next is due");
  await writeFile(path, "nonsense");
  await assert.rejects(fresh.authority.revocations(NOW), OperatorError);
});

test("a refused request leaves no trace in the register", async () => {
  await using fresh = await freshAuthority();
  const issue = fresh.authority.issue.bind(fresh.authority);
  await assert.rejects(issue("hello", ALICE), fault("MALFORMED"));
  await assert.rejects(issue(request(alice), { ...ALICE, name: "a\nb" }), fault("BAD_NAME"));
  await assert.rejects(issue(request(alice), { ...ALICE, kind: "server" }), fault("MALFORMED"));
  await assert.rejects(
    issue(request(alice), { ...ALICE, validity: validityFrom(NOW, 9999) }),
    fault("MALFORMED"),
  );
  assert.deepEqual(await fresh.authority.issued(), []);
  await issue(request(alice), ALICE);
});

test("many issuing at once over one directory leave one whole record each", async () => {
  await using fresh = await freshAuthority();
  const authorities = [fresh.authority, await openAuthority(fresh.path), await openAuthority(fresh.path)];
  const csr = request(alice);
  const issued = await Promise.all(
    Array.from({ length: 12 }, (_, index) =>
      authorities[index % 3]!.issue(csr, { ...ALICE, name: `alice-${index}` }),
    ),
  );
  const records = await (await openAuthority(fresh.path)).issued();
  assert.deepEqual(
    records.map((record) => record.serial).toSorted(),
    issued.map((certificate) => certificate.serial).toSorted(),
  );
});

test("a record cut short by a power cut was never acknowledged: it is dropped and written over", async () => {
  await using fresh = await freshAuthority();
  await fresh.authority.issue(request(alice), ALICE);
  await appendFile(join(fresh.path, "issued.jsonl"), `{"serial":"4242","name":"${"a".repeat(500)}`);
  const reopened = await openAuthority(fresh.path);
  assert.equal((await reopened.issued()).length, 1);
  await reopened.issue(request(bob), ALICE);
  const records = await (await openAuthority(fresh.path)).issued();
  assert.deepEqual(
    records.map((record) => record.key),
    [alice.public.name, bob.public.name],
  );
  assert.match(await readFile(join(fresh.path, "issued.jsonl"), "utf8"), /^\{.*\}\n\{.*\}\n$/);
});

const DAMAGE: Record<string, (path: string) => Promise<void>> = {
  "a missing register of revocations": (path) => rm(join(path, "revoked.jsonl")),
  "a missing register of certificates": (path) => rm(join(path, "issued.jsonl")),
  "a damaged line": (path) => appendFile(join(path, "revoked.jsonl"), '{"key":"zz"}\n'),
  "a line of something else": (path) => appendFile(join(path, "revoked.jsonl"), "hello\n"),
  "an empty line": (path) => appendFile(join(path, "issued.jsonl"), "\n"),
  "a key others can read": (path) => chmod(join(path, "ca.key"), 0o644),
  "no key": (path) => rm(join(path, "ca.key")),
  "no certificate": (path) => rm(join(path, "ca.pem")),
};

for (const [what, damage] of Object.entries(DAMAGE)) {
  test(`an authority with ${what} is not opened`, async () => {
    await using fresh = await freshAuthority();
    await damage(fresh.path);
    await assert.rejects(openAuthority(fresh.path), OperatorError);
  });
}

test("an authority open while its register disappears issues nothing", async () => {
  await using fresh = await freshAuthority();
  await rm(join(fresh.path, "revoked.jsonl"));
  await assert.rejects(fresh.authority.issue(request(alice), ALICE), OperatorError);
});

test("an authority is not opened with a certificate of another key", async () => {
  await using fresh = await freshAuthority();
  await using other = await temporaryDirectory();
  const { caPem } = await initAuthority(other.path, OWN);
  await writeFile(join(fresh.path, "ca.pem"), caPem);
  await assert.rejects(openAuthority(fresh.path), fault("MALFORMED"));
});
