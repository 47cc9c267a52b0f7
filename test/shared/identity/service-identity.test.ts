import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFile, unlink, writeFile } from "node:fs/promises";
import { after, before, beforeEach, test } from "node:test";
import { publicKeyFromRequest } from "#shared/identity/certificate-request.ts";
import type { IdentityFiles } from "#shared/identity/identity.ts";
import { generateSigningKey } from "#shared/identity/key-file.ts";
import { openServiceIdentity, type ServiceIdentity } from "#shared/identity/service-identity.ts";
import type { SigningKey } from "#shared/identity/signature.ts";
import { Trust } from "#shared/identity/trust.ts";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import { type TestAuthority, testAuthority, writeIdentity } from "#test/support/authority.ts";
import { type TemporaryDirectory, temporaryDirectory } from "#test/support/directory.ts";

const NOW = new Date("2026-06-01T00:00:00Z");
const ADDRESS = "192.0.2.4";

let directory: TemporaryDirectory;
let key: SigningKey;
/** Two authorities that call themselves the same, as an authority and the one that takes its place. */
let old: TestAuthority;
let young: TestAuthority;
let files: IdentityFiles;
let warned: string[];
let identity: ServiceIdentity;

before(async () => {
  directory = await temporaryDirectory();
  [old, young, key] = await Promise.all([
    testAuthority(),
    testAuthority(),
    generateSigningKey({ type: "rsa" }),
  ]);
});

after(() => directory[Symbol.asyncDispose]());

beforeEach(async () => {
  const first = await certify(old);
  files = await writeIdentity(directory.path, "node", first.tls);
  warned = [];
  const log = { info: () => undefined, warn: (details: object) => warned.push(JSON.stringify(details)) };
  identity = await openServiceIdentity(files, { address: ADDRESS, now: () => NOW, log });
  identity[Symbol.dispose](); // looks when it is told to
});

function certify(authority: TestAuthority, from = "2026-01-01", to = "2027-01-01") {
  const validity = { notBefore: new Date(from), notAfter: new Date(to) };
  return authority.server("node", [ADDRESS], { key, validity });
}

test("a certificate that is put in the place of another is used, and told to who follows", async () => {
  const told: string[] = [];
  identity.follow(({ cert }) => told.push(cert));
  await identity.look();
  assert.deepEqual(told, [], "nothing has changed");

  const { certPem } = await certify(old, "2026-05-31", "2027-05-31");
  await writeFile(files.cert, certPem);
  await identity.look();
  assert.deepEqual(told, [certPem]);
  assert.equal(identity.tls.cert, certPem);
  assert.deepEqual([identity.refusal, identity.concerns(NOW), warned], [undefined, [], []]);
});

test("what can't be used is complained of once, and what was used before goes on", async () => {
  const earlier = identity.tls;
  const { certPem: ended } = await certify(old, "2025-01-01", "2026-01-01");
  const { certPem: early } = await certify(old, "2026-07-01");
  const { certPem: client } = await old.client("node", { key });
  const { certPem: foreign } = await certify(young);
  const { certPem: other } = await old.server("other");
  const bad: [string, RegExp][] = [
    ["", /cannot be read/],
    [earlier.cert.slice(0, 400), /cannot be read/],
    [ended, /ended at 2026-01-01/],
    [early, /begins at 2026-07-01/],
    [client, /is for a client/],
    [foreign, /not of the authority/],
    [other, /is not that of the key/],
  ];
  for (const [text, reason] of bad) {
    await writeFile(files.cert, text);
    warned = [];
    await identity.look();
    await identity.look();
    assert.equal(warned.length, 1);
    assert.match(warned[0]!, reason);
    assert.match(identity.refusal!, reason);
    assert.equal(identity.tls, earlier);
    const [concern] = identity.concerns(NOW);
    assert.match(concern!, /can't be used/);
    assert.ok(!concern!.includes(directory.path), "pages name no file");
    await writeFile(files.cert, earlier.cert);
    await identity.look();
    assert.equal(identity.refusal, undefined);
  }
  await unlink(files.ca);
  await identity.look();
  assert.match(identity.refusal!, /ca\.pem cannot be read/);
  await writeFile(files.ca, earlier.ca);
  await identity.look();
  assert.deepEqual([identity.refusal, identity.concerns(NOW)], [undefined, []]);
});

test("an authority takes over from another: both trusted, certified by the new one, the old one trusted no more", async () => {
  const [mine, next] = [new X509Certificate(identity.tls.cert), await certify(young)];
  const theirs = new X509Certificate(next.certPem);
  const vouched = () => [identity.trust.vouchesFor(mine), identity.trust.vouchesFor(theirs)];
  assert.deepEqual(vouched(), [true, false]);
  await writeFile(files.ca, young.caPem);
  await identity.look();
  assert.match(identity.refusal!, /not of the authority/, "first things first");
  await writeFile(files.ca, `the one before\n${old.caPem}\nthe next one\n${young.caPem}`);
  await identity.look();
  assert.deepEqual(vouched(), [true, true]);
  await writeFile(files.cert, next.certPem);
  await identity.look();
  await writeFile(files.ca, young.caPem);
  await identity.look();
  assert.deepEqual(vouched(), [false, true]);
  assert.deepEqual([identity.refusal, warned.length], [undefined, 1]);
});

test("trust is one or more whole certificates of authorities", async () => {
  const server = await old.server("node");
  const broken = old.caPem.replace("-----END CERTIFICATE-----", "");
  for (const pem of ["", "hello", server.certPem, `${old.caPem}${broken}`, `${old.caPem}${server.keyPem}`])
    assert.throws(() => new Trust(pem), Fault);
  const der = new X509Certificate(old.caPem).raw;
  der[der.indexOf("2a864886f70d010101", 0, "hex") + 16] = 0x31; // where the key's two numbers begin
  const unreadable = `-----BEGIN CERTIFICATE-----\n${der.toString("base64")}\n-----END CERTIFICATE-----\n`;
  assert.throws(() => new Trust(unreadable), Fault, "found at once, and not when a list is verified with it");
});

test("a service does not start with a certificate that no caller could accept", async () => {
  const terms = { address: ADDRESS, now: () => NOW, log: { info: () => undefined, warn: () => undefined } };
  await writeFile(files.cert, (await old.client("node", { key })).certPem);
  await assert.rejects(openServiceIdentity(files, terms), OperatorError);
  await writeFile(files.cert, (await certify(old, "2025-01-01", "2026-01-01")).certPem);
  using late = await openServiceIdentity(files, terms);
  assert.match(
    late.concerns(NOW)[0]!,
    /ended at/,
    "one that has ended is no reason not to look after what runs",
  );
});

test("a certificate is renewed once two thirds of its life are over, and not by one that is no better", async () => {
  let now = NOW; // of 365 days 151 are over
  let answer = identity.tls.cert;
  const asked: string[] = [];
  const log = {
    info: () => undefined,
    warn: (details: object) => warned.push(String(Object.values(details))),
  };
  using own = await openServiceIdentity(files, { address: ADDRESS, now: () => now, log });
  own.renewWith(async ({ csr, current }) => {
    assert.equal(publicKeyFromRequest(csr).name, own.name);
    asked.push(current);
    return answer;
  });
  await own.renew();
  assert.deepEqual(asked, []);
  now = new Date("2026-09-15T00:00:00Z"); // 257
  for (const useless of [answer, (await certify(young)).certPem, (await old.server("other")).certPem]) {
    answer = useless;
    await own.renew();
    assert.match(warned.at(-1)!, /FOREIGN_CERTIFICATE/);
    assert.match(own.concerns(now).join(), /should have been renewed/);
  }
  const first = own.tls.cert;
  answer = (await certify(old, "2026-09-14", "2027-09-14")).certPem;
  await own.renew();
  assert.deepEqual(asked, [first, first, first, first]);
  assert.equal(own.tls.cert, answer);
  assert.equal(await readFile(files.cert, "utf8"), answer);
  assert.deepEqual(own.concerns(now), []);
  await own.renew();
  assert.equal(asked.length, 4);
});
