import assert from "node:assert/strict";
import { request as httpsRequest } from "node:https";
import { test } from "node:test";
import { Fault } from "#shared/model/errors.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import type { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { encodeCall } from "#shared/wire/xmlrpc/encode.ts";
import { connectionsOf, startToy, type Toy, toyApi, toyParties } from "./toy-service.ts";

const { server, alice, bob } = await toyParties();

const clientOf = (toy: Toy, connections: Connections) => xmlRpcClient(toyApi, { url: toy.url, connections });
const faults = (name: string) => (error: unknown) => error instanceof Fault && error.name === name;

/** The bytes alice gets for a call. */
async function answerTo(toy: Toy, method: string, params: unknown[]): Promise<string> {
  const body = encodeCall(method, params);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const headers = { "Content-Type": "text/xml" };
  const request = httpsRequest(
    toy.url,
    { method: "POST", headers, ...alice.tls, agent: false },
    async (response) => {
      resolve((await response.toArray()).join(""));
    },
  );
  request.on("error", reject);
  request.end(body);
  return promise;
}

test("the same request_id with the same arguments gets the stored bytes, and nothing happens twice", async () => {
  await using toy = await startToy(server);
  const first = await answerTo(toy, "add", [{ amount: 5, note: "n", request_id: "r1" }]);
  toy.store.beforeCommit = () => assert.fail("the handler was asked again");
  const again = await answerTo(toy, "add", [{ request_id: "r1", note: "n", amount: 5 }]);
  assert.equal(again, first);
  assert.match(first, /<name>total<\/name><value><int>5</);
  assert.equal(toy.store.count, 5);
});

test("the same request_id with other arguments is MALFORMED and changes nothing", async () => {
  await using toy = await startToy(server);
  using connections = connectionsOf(alice);
  const client = clientOf(toy, connections);
  await client.add({ amount: 5, request_id: "r1" });
  await assert.rejects(client.add({ amount: 6, request_id: "r1" }), faults("MALFORMED"));
  await assert.rejects(client.add({ amount: 5, note: "", request_id: "r1" }), faults("MALFORMED"));
  assert.equal(toy.store.count, 5);
});

test("another caller's request_id, or another method's, is another request", async () => {
  await using toy = await startToy(server);
  using connections = connectionsOf(alice);
  using others = connectionsOf(bob);
  await clientOf(toy, connections).add({ amount: 1, request_id: "r1" });
  await clientOf(toy, others).add({ amount: 10, request_id: "r1" });
  await clientOf(toy, connections).addfor({ document: "d", amount: 100, request_id: "r1" });
  assert.equal(toy.store.count, 111);
});

test("without a request_id every call is its own", async () => {
  await using toy = await startToy(server);
  using connections = connectionsOf(alice);
  for (let i = 0; i < 3; i++) await clientOf(toy, connections).add({ amount: 1 });
  assert.equal(toy.store.count, 3);
  assert.equal(toy.store.kept.size, 0);
});

test("identity and revocation come before replay", async () => {
  await using toy = await startToy(server);
  using connections = connectionsOf(alice);
  const client = clientOf(toy, connections);
  await client.add({ amount: 1, request_id: "r1" });
  toy.revoked.add(alice.name);
  await assert.rejects(client.add({ amount: 1, request_id: "r1" }), faults("CERTIFICATE_REVOKED"));
});

test("a refusal is not stored: the same request may succeed later", async () => {
  await using toy = await startToy(server);
  using connections = connectionsOf(alice);
  const client = clientOf(toy, connections);
  toy.store.beforeCommit = () => Promise.reject(new Fault("NO_CAPACITY", "full; try later"));
  await assert.rejects(client.add({ amount: 1, request_id: "r1" }), faults("NO_CAPACITY"));
  toy.store.beforeCommit = async () => {};
  assert.equal((await client.add({ amount: 1, request_id: "r1" })).total, 1);
});

test("of many equal requests at once one is carried out and all get its answer", async () => {
  await using toy = await startToy(server);
  using connections = connectionsOf(alice);
  const client = clientOf(toy, connections);
  const all = Promise.withResolvers<void>();
  let arrived = 0;
  toy.store.beforeCommit = () => {
    arrived += 1;
    if (arrived === 8) all.resolve();
    return all.promise;
  };
  const calls = Array.from({ length: 8 }, () => client.add({ amount: 7, request_id: "race" }));
  const answers = new Set((await Promise.all(calls)).map((answer) => answer.stamp));
  assert.equal(answers.size, 1);
  assert.equal(toy.store.count, 7);
});

test("a request_id lost in a race to other arguments is MALFORMED and undone", async () => {
  await using toy = await startToy(server);
  using connections = connectionsOf(alice);
  const client = clientOf(toy, connections);
  toy.store.beforeCommit = async () => {
    toy.store.beforeCommit = async () => {};
    await client.add({ amount: 1, request_id: "race" });
  };
  await assert.rejects(client.add({ amount: 2, request_id: "race" }), faults("MALFORMED"));
  assert.equal(toy.store.count, 1);
});

test("where a document's signer is the principal, the scope is the signer's too", async () => {
  await using toy = await startToy(server);
  using connections = connectionsOf(alice);
  const client = clientOf(toy, connections);
  assert.equal(await client.addfor({ document: "carol", amount: 1, request_id: "r1" }), 1);
  assert.equal(await client.addfor({ document: "dave", amount: 1, request_id: "r1" }), 2);
  assert.equal(await client.addfor({ document: "carol", amount: 1, request_id: "r1" }), 1);
  assert.equal(await client.addfor({ document: "dave", amount: 1, request_id: "r1" }), 2);
  await assert.rejects(client.addfor({ document: "dave", amount: 2, request_id: "r1" }), faults("MALFORMED"));
  assert.equal(toy.store.count, 2);
});
