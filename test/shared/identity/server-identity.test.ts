import assert from "node:assert/strict";
import { Agent, request } from "node:https";
import { before, test } from "node:test";
import type { TLSSocket } from "node:tls";
import type { TlsCredentials } from "#shared/identity/identity.ts";
import { checkServerIdentity, clientTlsOptions, keyOf } from "#shared/identity/tls.ts";
import { Fault } from "#shared/model/errors.ts";
import {
  type TestAuthority,
  type TestIdentity,
  testAuthority,
  writeIdentity,
} from "#test/support/authority.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { runProgram } from "#test/support/program.ts";
import { type PeerServer, startPeerServer } from "./peer-server.ts";

let authority: TestAuthority;
let node: TestIdentity;
let elsewhere: TestIdentity;
let alice: TestIdentity;

before(async () => {
  authority = await testAuthority();
  [node, elsewhere, alice] = await Promise.all([
    authority.server("node-1", ["127.0.0.1", "::1", "localhost"]),
    authority.server("node-2", ["127.0.0.2", "elsewhere.example"]),
    authority.client("alice"),
  ]);
});

function serverOf(tls: TlsCredentials): Promise<PeerServer> {
  return startPeerServer(tls, () => ({ now: new Date() }));
}

/** The name of the key of the server that answered, or what stopped the client from asking. */
async function ask(server: PeerServer, pinned?: string, agent = new Agent(clientTlsOptions(alice.tls))) {
  const { promise, resolve } = Promise.withResolvers<string | Error>();
  const options = {
    host: "127.0.0.1",
    port: server.port,
    agent,
    checkServerIdentity: checkServerIdentity(pinned),
  };
  request(options, (response) => {
    resolve(keyOf(response.socket as TLSSocket).name);
    response.resume().on("end", () => agent.destroy());
  })
    .on("error", resolve)
    .end();
  return await promise;
}

test("a client believes a server certified for the address it asked", async () => {
  await using server = await serverOf(node.tls);
  assert.equal(await ask(server), node.name);
});

test("a client refuses a server certified for another address", async () => {
  await using server = await serverOf(elsewhere.tls);
  const refusal = await ask(server);
  assert.ok(refusal instanceof Fault);
  assert.equal(refusal.code, 204);
});

test("a client that knows its server's key finds it at a new address", async () => {
  await using server = await serverOf(elsewhere.tls);
  assert.equal(await ask(server, elsewhere.name), elsewhere.name);
});

test("a client that knows its server's key refuses every other, whatever its address", async () => {
  await using server = await serverOf(node.tls);
  const refusal = await ask(server, elsewhere.name);
  assert.ok(refusal instanceof Fault);
  assert.equal(refusal.code, 204);
});

test("a pin doesn't replace the authority: the right key certified by another authority is refused", async () => {
  const other = await testAuthority();
  const impostor = await other.server("node-1");
  await using server = await serverOf(impostor.tls);
  const refusal = await ask(server, impostor.name);
  assert.match(String((refusal as NodeJS.ErrnoException).code), /^(UNABLE_TO|SELF_SIGNED)_/);
});

test("a researcher's certificate doesn't make a server", async () => {
  await using server = await serverOf(alice.tls);
  const refusal = await ask(server, alice.name);
  assert.equal((refusal as NodeJS.ErrnoException).code, "INVALID_PURPOSE");
});

const PYTHON = `
import http.client, ssl, sys
host, port, key, cert, ca = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
context.load_cert_chain(cert, key)
connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=20)
connection.request("GET", "/")
print(connection.getresponse().read().decode())
`;

test("Python's strictest verification accepts a server by its address, with the authority's certificate alone", async () => {
  await using server = await serverOf(node.tls);
  await using directory = await temporaryDirectory();
  const { key, cert, ca } = await writeIdentity(directory.path, "alice", alice.tls);
  for (const host of ["127.0.0.1", "localhost"]) {
    const { out, err } = await runProgram("python3", [
      "-c",
      PYTHON,
      host,
      String(server.port),
      key,
      cert,
      ca,
    ]);
    assert.equal(err, "");
    assert.equal(JSON.parse(out).name, alice.name);
  }
});

test("Python refuses a server by an address it isn't certified for", async () => {
  await using server = await serverOf(elsewhere.tls);
  await using directory = await temporaryDirectory();
  const { key, cert, ca } = await writeIdentity(directory.path, "alice", alice.tls);
  const { err } = await runProgram("python3", [
    "-c",
    PYTHON,
    "127.0.0.1",
    String(server.port),
    key,
    cert,
    ca,
  ]);
  assert.match(err, /IP address mismatch/);
});

test("openssl's strict verification accepts a server by its address", async () => {
  await using server = await serverOf(node.tls);
  await using directory = await temporaryDirectory();
  const { ca } = await writeIdentity(directory.path, "alice", alice.tls);
  const { out, code } = await runProgram("openssl", [
    ...["s_client", "-connect", `127.0.0.1:${server.port}`, "-CAfile", ca],
    ...["-x509_strict", "-verify_ip", "127.0.0.1", "-verify_return_error"],
  ]);
  assert.equal(code, 0);
  assert.match(out, /Verify return code: 0 \(ok\)/);
});
