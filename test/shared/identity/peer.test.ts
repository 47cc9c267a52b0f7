import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { Agent, request } from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { before, test } from "node:test";
import { privateKeyPem } from "#shared/identity/key-file.ts";
import type { PeerChecks } from "#shared/identity/tls.ts";
import { type TestAuthority, type TestIdentity, testAuthority } from "#test/support/authority.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { runProgram, runToSuccess } from "#test/support/program.ts";
import { type PeerServer, type Seen, startPeerServer } from "./peer-server.ts";

let authority: TestAuthority;
let node: TestIdentity;
let alice: TestIdentity;

before(async () => {
  authority = await testAuthority();
  [node, alice] = await Promise.all([authority.server("node-1"), authority.client("alice")]);
});

/** A server whose checks a test may change between requests. Without `now` it lives in the real time, as TLS does. */
async function peerServer(checks: { now?: Date; revoked: Set<string> } = { revoked: new Set() }) {
  const current = (): PeerChecks => ({
    now: checks.now ?? new Date(),
    isRevoked: (key) => checks.revoked.has(key),
  });
  const server = await startPeerServer(node.tls, current);
  return Object.assign(server, { checks });
}

async function ask(server: PeerServer, tls: object, agent = new Agent({ keepAlive: false })): Promise<Seen> {
  const { promise, resolve, reject } = Promise.withResolvers<Seen>();
  const options = { host: "127.0.0.1", port: server.port, agent, ...tls };
  request(options, async (response) => resolve(JSON.parse(await text(response))))
    .on("error", reject)
    .end();
  return await promise;
}

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  const only = { minVersion: version, maxVersion: version };

  test(`over ${version} a client is known by its key, whatever its name`, async () => {
    await using server = await peerServer();
    const namesake = await authority.client("alice");
    const seen = await ask(server, { ...alice.tls, ...only });
    const other = await ask(server, { ...namesake.tls, ...only });
    assert.equal(seen.name, alice.name);
    assert.equal(seen.sha1, alice.signingKey.public.sha1);
    assert.equal(other.name, namesake.name);
    assert.notEqual(seen.name, other.name);
  });

  test(`over ${version} a client without a certificate gets fault 200 on its request`, async () => {
    await using server = await peerServer();
    assert.equal((await ask(server, { ca: authority.caPem, ...only })).fault, 200);
  });

  test(`over ${version} an expired certificate gets fault 201`, async () => {
    await using server = await peerServer();
    const { tls } = await authority.expired("late");
    assert.equal((await ask(server, { ...tls, ...only })).fault, 201);
  });

  test(`over ${version} a weak key gets fault 203, not a broken connection`, async () => {
    await using server = await peerServer();
    const { tls } = await authority.weak("weak");
    // the client too must be talked into using such a key
    const seen = await ask(server, { ...tls, ...only, ciphers: "DEFAULT@SECLEVEL=0" });
    assert.equal(seen.fault, 203);
  });

  test(`over ${version} another authority's certificate gets fault 204, even if it has the same name`, async () => {
    await using server = await peerServer();
    const { tls } = await authority.foreign("alice");
    assert.equal((await ask(server, { ...tls, ...only })).fault, 204);
  });
}

test("a certificate that is not valid yet gets fault 201", async () => {
  await using server = await peerServer();
  const validity = {
    notBefore: new Date("2048-01-01T00:00:00Z"),
    notAfter: new Date("2049-01-01T00:00:00Z"),
  };
  const { tls } = await authority.client("early", { validity });
  assert.equal((await ask(server, tls)).fault, 201);
});

test("a certificate that TLS took as expired stays refused, whatever the time passed says", async () => {
  await using server = await peerServer({ now: new Date("2020-06-01T00:00:00Z"), revoked: new Set() });
  const { tls } = await authority.expired("late");
  assert.equal((await ask(server, tls)).fault, 201);
});

test("a certificate that ends while its connection is kept alive gets fault 201 with the next request", async () => {
  await using server = await peerServer();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const end = new Date("2049-06-01T00:00:00Z");
  const { name, tls } = await authority.client("brief", {
    validity: { notBefore: new Date("2020-01-01"), notAfter: end },
  });
  const first = await ask(server, tls, agent);
  server.checks.now = new Date(end.getTime() - 1000);
  const last = await ask(server, tls, agent);
  server.checks.now = end;
  const late = await ask(server, tls, agent);
  agent.destroy();
  assert.deepEqual([first.name, last.name, late.fault], [name, name, 201]);
  assert.deepEqual([last.port, late.port], [first.port, first.port], "it was one connection");
});

test("a key revoked while its connection is kept alive gets fault 202 with the next request", async () => {
  await using server = await peerServer();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const first = await ask(server, alice.tls, agent);
  server.checks.revoked.add(alice.name);
  const second = await ask(server, alice.tls, agent);
  const third = await ask(server, alice.tls);
  agent.destroy();
  assert.equal(first.name, alice.name);
  assert.deepEqual([second.fault, third.fault], [202, 202]);
  assert.equal(second.port, first.port, "it was one connection");
});

test("a revoked key is revoked under every certificate it has", async () => {
  await using server = await peerServer({ revoked: new Set([alice.name]) });
  const again = await authority.client("bob", { key: alice.signingKey });
  assert.equal((await ask(server, again.tls)).fault, 202);
});

test("a certificate its holder signed itself gets fault 204", async () => {
  await using server = await peerServer();
  assert.equal((await ask(server, (await authority.selfSigned("mallory")).tls)).fault, 204);
});

test("a certificate made for servers alone gets fault 204", async () => {
  await using server = await peerServer();
  assert.equal((await ask(server, (await authority.wrongPurpose("printer")).tls)).fault, 204);
});

test("a certificate made for nothing in particular gets fault 204", async () => {
  await using server = await peerServer();
  assert.equal((await ask(server, (await authority.withoutPurpose("anything")).tls)).fault, 204);
});

test("the authority's own certificate is no client's", async () => {
  await using server = await peerServer();
  const key = privateKeyPem(authority.authority.key);
  assert.equal((await ask(server, { key, cert: authority.caPem, ca: authority.caPem })).fault, 204);
});

test("a certificate that a client signed for another key gets fault 204", async () => {
  await using server = await peerServer();
  await using directory = await temporaryDirectory();
  const files = { key: join(directory.path, "alice.key"), cert: join(directory.path, "alice.crt") };
  await writeFile(files.key, alice.keyPem);
  await writeFile(files.cert, alice.certPem);
  const own = await certifiedByOpenssl(directory.path, files, ["-newkey", "rsa:2048"]);
  const cert = own.cert + alice.certPem;
  assert.equal((await ask(server, { ...own, cert, ca: authority.caPem })).fault, 204);
});

const OUTSIDE_KEYS = {
  "P-256": { newKey: ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], seen: "p256" },
  Ed25519: { newKey: ["ed25519"], seen: "ed25519" },
  "P-384": { newKey: ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"], seen: 203 },
  "RSA with e = 3": { newKey: ["rsa:2048", "-pkeyopt", "rsa_keygen_pubexp:3"], seen: 203 },
  "RSA of 1536 bits": { newKey: ["rsa:1536"], seen: 203 },
};

for (const [what, { newKey, seen }] of Object.entries(OUTSIDE_KEYS)) {
  test(`an outside client's ${what} key is ${seen === 203 ? "refused with fault 203" : "accepted"}`, async () => {
    await using server = await peerServer();
    await using directory = await temporaryDirectory();
    const ca = { key: join(directory.path, "ca.key"), cert: join(directory.path, "ca.pem") };
    await writeFile(ca.key, privateKeyPem(authority.authority.key));
    await writeFile(ca.cert, authority.caPem);
    const tls = await certifiedByOpenssl(directory.path, ca, ["-newkey", ...newKey]);
    const { algorithm, fault } = await ask(server, {
      ...tls,
      ca: authority.caPem,
      ciphers: "DEFAULT@SECLEVEL=0",
    });
    assert.equal(algorithm ?? fault, seen);
  });
}

test("a renegotiated connection can't change whose it is: renegotiation is refused", async () => {
  await using server = await peerServer();
  await using directory = await temporaryDirectory();
  const caFile = join(directory.path, "ca.pem");
  await writeFile(caFile, authority.caPem);
  const result = await runProgram(
    "openssl",
    ["s_client", "-connect", `127.0.0.1:${server.port}`, "-tls1_2", "-CAfile", caFile],
    { input: "R\n", keepInputOpen: true },
  );
  assert.match(result.out + result.err, /no renegotiation/i);
});

/** A client's key and certificate made by OpenSSL alone: outside software, with an issuer of the test's choice. */
async function certifiedByOpenssl(
  directory: string,
  issuer: { key: string; cert: string },
  newKey: readonly string[],
): Promise<{ key: string; cert: string }> {
  const [key, csr, extensions] = ["outside.key", "outside.csr", "outside.ext"].map((name) =>
    join(directory, name),
  ) as [string, string, string];
  await writeFile(extensions, "extendedKeyUsage=clientAuth\n");
  await runToSuccess("openssl", [
    "req",
    ...newKey,
    "-nodes",
    "-keyout",
    key,
    "-out",
    csr,
    "-subj",
    "/CN=outside",
  ]);
  const cert = await runToSuccess("openssl", [
    ...["x509", "-req", "-in", csr, "-CA", issuer.cert, "-CAkey", issuer.key, "-set_serial", "77"],
    ...["-days", "30", "-sha256", "-extfile", extensions],
  ]);
  return { key: await readFile(key, "utf8"), cert };
}
