import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { clientTlsOptions, peerOf, serverTlsOptions } from "#shared/identity/tls.ts";
import { Trust } from "#shared/identity/trust.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import type { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import { type TestAuthority, type TestIdentity, testAuthority } from "#test/support/authority.ts";
import { within } from "#test/support/deadline.ts";
import { connectionsOf, startToy, toyApi } from "./toy-service.ts";

const FOREIGN = { name: "FOREIGN_CERTIFICATE" };

let old: TestAuthority;
let young: TestAuthority;
let server: TestIdentity;
let alice: TestIdentity;
/** The same keys, certified by the authority that takes over. */
let nextServer: TestIdentity;
let nextAlice: TestIdentity;

before(async () => {
  [old, young] = await Promise.all([testAuthority(), testAuthority()]);
  [server, alice] = await Promise.all([old.server("toy"), old.client("alice")]);
  [nextServer, nextAlice] = await Promise.all([
    young.server("toy", undefined, { key: server.signingKey }),
    young.client("alice", { key: alice.signingKey }),
  ]);
});

const both = () => `${old.caPem}${young.caPem}`;

async function toyTrusting(pem: string) {
  let trust = new Trust(pem);
  const authenticate = (socket: TLSSocket) => {
    toy.sockets.add(socket);
    return peerOf(socket, { now: new Date(), trust });
  };
  const options = serverTlsOptions({ ...server.tls, ca: pem });
  const toy = await startToy(server, { tls: { host: "127.0.0.1", port: 0, options }, authenticate });
  const use = (identity: TestIdentity, ca: string) => {
    trust = new Trust(ca);
    toy.renew(serverTlsOptions({ ...identity.tls, ca }));
  };
  return { toy, use };
}

function clientOf(connections: Connections, url: string) {
  return xmlRpcClient(toyApi, { url, connections, expectedPeer: server.name });
}

test("a call under way when a certificate is replaced is answered, and the next one comes on a new connection", async () => {
  const { toy, use } = await toyTrusting(both());
  await using _ = toy;
  using connections = connectionsOf({ tls: { ...alice.tls, ca: both() } });
  const client = clientOf(connections, toy.url);
  const arrived = new Promise((resolve) => toy.waiting.addEventListener("call", resolve, { once: true }));
  const slow = client.wait();
  await within(arrived);
  use(nextServer, both());
  connections.renew(clientTlsOptions({ ...nextAlice.tls, ca: both() }));
  assert.equal(await client.whoami(), alice.name, "while the slow one waits");
  toy.release();
  assert.equal(await within(slow), "done");
  assert.equal(toy.sockets.size, 2);
  for (let calls = 0; calls < 3; calls++) await client.whoami();
  assert.equal(toy.sockets.size, 2, "connections are kept again");
});

test("a client that knows nothing of it is moved to the new certificate by its next answer", async () => {
  const { toy, use } = await toyTrusting(both());
  await using _ = toy;
  using connections = connectionsOf({ tls: { ...alice.tls, ca: both() } });
  const client = clientOf(connections, toy.url);
  await client.whoami();
  use(nextServer, both());
  await client.whoami();
  assert.equal(toy.sockets.size, 1, "the answer ends the connection, not the renewal");
  await client.whoami();
  await client.whoami();
  assert.equal(toy.sockets.size, 2);
});

test("who is trusted no more is refused on an open connection; who is re-certified is served", async () => {
  const { toy, use } = await toyTrusting(both());
  await using _ = toy;
  using before = connectionsOf({ tls: { ...alice.tls, ca: both() } });
  using after = connectionsOf({ tls: { ...nextAlice.tls, ca: both() } });
  const [stale, fresh] = [clientOf(before, toy.url), clientOf(after, toy.url)];
  await Promise.all([stale.whoami(), fresh.whoami()]);
  use(nextServer, young.caPem);
  await assert.rejects(stale.whoami(), FOREIGN);
  assert.equal(toy.sockets.size, 2, "on the connection it had");
  await assert.rejects(stale.whoami(), FOREIGN, "and on another");
  assert.equal(await fresh.whoami(), alice.name);
});

test("a client that trusts a server's authority no more does not use the connection it has to it", async () => {
  const { toy } = await toyTrusting(both());
  await using _ = toy;
  using connections = connectionsOf({ tls: { ...alice.tls, ca: both() } });
  const client = clientOf(connections, toy.url);
  await client.whoami();
  connections.renew(clientTlsOptions({ ...nextAlice.tls, ca: young.caPem }));
  await assert.rejects(client.whoami(), (error) => error instanceof TransportError && error.kind === "tls");
});
