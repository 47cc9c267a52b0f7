import assert from "node:assert/strict";
import { request as httpsRequest } from "node:https";
import { test } from "node:test";
import { Fault } from "#shared/model/errors.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { decodeResponse } from "#shared/wire/xmlrpc/decode.ts";
import { encodeCall } from "#shared/wire/xmlrpc/encode.ts";
import { connectionsOf, startToy, toyApi, toyParties } from "./toy-service.ts";

const { authority, server, alice, bob } = await toyParties();

const faults =
  (name: string, pattern = /./) =>
  (error: unknown) =>
    error instanceof Fault && error.name === name && pattern.test(error.sentence);

/** OpenSSL refuses to hold a weak key unless it is told to. */
type ClientTls = { key?: string; cert?: string; ca?: string; ciphers?: string };

type Raw = {
  path?: string;
  headers?: Record<string, string>;
  body?: Buffer | string;
  identity?: ClientTls;
};

/** One HTTP request as anybody may make it, and what came back. */
async function raw(url: string, { path = "/RPC2", headers, body = "", identity = alice.tls }: Raw) {
  const { promise, resolve, reject } = Promise.withResolvers<{
    status: number;
    type: string;
    body: Buffer;
  }>();
  const request = httpsRequest(
    new URL(path, url),
    {
      method: "POST",
      headers: { "Content-Type": "text/xml", ...headers },
      ca: server.caPem,
      ...identity,
      agent: false,
    },
    async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      resolve({
        status: response.statusCode!,
        type: response.headers["content-type"]!,
        body: Buffer.concat(chunks),
      });
    },
  );
  request.on("error", reject);
  request.end(body);
  return promise;
}

/** The fault that a raw request was answered with; it must come in an ordinary answer. */
async function rawFault(url: string, options: Raw) {
  const answer = await raw(url, options);
  assert.equal(answer.status, 200);
  assert.match(answer.type, /^text\/xml/);
  const response = decodeResponse(answer.body);
  assert.ok("fault" in response);
  return response.fault;
}

test("a call reaches its handler with checked parameters and the caller's key", async () => {
  await using toy = await startToy(server);
  using connections = connectionsOf(alice);
  const client = xmlRpcClient(toyApi, { url: toy.url, connections });
  assert.equal(await client.whoami(), alice.name);
  assert.equal((await client.add({ amount: 3 })).total, 3);
  assert.deepEqual(await client.getconfig(), { version: "toy", count: 3, bare: true });
  assert.equal((await client.getconfig({})).bare, false);
  assert.deepEqual(await client.echo({ value: ["<&>", 2 ** 40, -1.5, true, null] }), [
    "<&>",
    2 ** 40,
    -1.5,
    true,
    null,
  ]);
});

test("calls are taken at /RPC2 and at /, and nothing else is an XML-RPC address", async () => {
  await using toy = await startToy(server);
  const body = encodeCall("getconfig", []);
  assert.equal((await raw(toy.url, { path: "/", body })).status, 200);
  assert.equal((await raw(toy.url, { path: "/RPC2", body })).status, 200);
  assert.equal((await raw(toy.url, { path: "/elsewhere", body })).status, 404);
});

test("parameters that do not fit are refused by the name of the member", async () => {
  await using toy = await startToy(server);
  const refusal = async (params: unknown[]) =>
    (await rawFault(toy.url, { body: encodeCall("add", params) })).text;
  assert.match(await refusal([{ amount: "3" }]), /^MALFORMED: add: amount: /);
  assert.match(await refusal([{ amount: 1.5 }]), /amount/);
  assert.match(await refusal([{ amount: -1 }]), /amount/);
  assert.match(await refusal([{}]), /amount/);
  assert.match(await refusal([]), /amount/);
  assert.match(await refusal([{ amount: 1, amuont: 2 }]), /no member called "amuont"/);
  assert.match(
    await refusal([JSON.parse('{"amount": 1, "__proto__": {"note": "x"}}')]),
    /no member called "__proto__"/,
  );
  assert.match(await refusal([1]), /one struct/);
  assert.match(await refusal([{ amount: 1 }, { amount: 1 }]), /one struct/);
  assert.match(await refusal([{ amount: 1, request_id: "" }]), /request_id/);
  assert.match(await refusal([{ amount: 1, request_id: "x".repeat(65) }]), /request_id/);
  assert.match(await refusal([{ amount: 1, request_id: 7 }]), /request_id/);
  const onQuery = await rawFault(toy.url, { body: encodeCall("whoami", [{ request_id: "1" }]) });
  assert.match(onQuery.text, /no member called "request_id"/);
  assert.equal(toy.store.count, 0);
});

test("a method that is not there is NO_METHOD, even if JavaScript has something of that name", async () => {
  await using toy = await startToy(server);
  for (const name of [
    "nothing",
    "constructor",
    "__proto__",
    "toString",
    "system.multicall",
    "system.nothing",
    "",
  ]) {
    const { code, text } = await rawFault(toy.url, { body: encodeCall(name, []) });
    assert.equal(code, 102, `${name}: ${text}`);
  }
});

test("the server says what methods it has, what they do and what they take", async () => {
  await using toy = await startToy(server);
  const ask = async (name: string, ...params: unknown[]) => {
    const response = decodeResponse((await raw(toy.url, { body: encodeCall(name, params) })).body);
    assert.ok("value" in response, JSON.stringify(response));
    return response.value;
  };
  assert.deepEqual(
    await ask("system.listMethods"),
    [...Object.keys(toyApi), "system.listMethods", "system.methodHelp", "system.methodSignature"].sort(),
  );
  assert.equal(
    await ask("system.methodHelp", "add"),
    "add({amount, note?, request_id?}): Adds to the count.",
  );
  assert.deepEqual(await ask("system.methodSignature", "add"), [["struct", "struct"]]);
  assert.deepEqual(await ask("system.methodSignature", "whoami"), [["string"]]);
  assert.deepEqual(await ask("system.methodSignature", "system.methodHelp"), [["string", "string"]]);
  assert.equal((await rawFault(toy.url, { body: encodeCall("system.methodHelp", ["no"]) })).code, 102);
  assert.equal((await rawFault(toy.url, { body: encodeCall("system.methodHelp", [3]) })).code, 100);
});

test("a refusal arrives with its number, and a failure with nothing but a reference to the log", async () => {
  await using toy = await startToy(server);
  using connections = connectionsOf(alice);
  const client = xmlRpcClient(toyApi, { url: toy.url, connections });
  await assert.rejects(client.refuse(), faults("NO_CAPACITY", /^the node is full; try another$/));
  assert.deepEqual(toy.log, []);
  const failure = await rawFault(toy.url, { body: encodeCall("fail", []) });
  assert.equal(failure.code, 601);
  assert.doesNotMatch(failure.text, /secret|passwd|SELECT|\.ts/);
  const [logged] = toy.log as { reference: string; err: Error }[];
  assert.match(failure.text, new RegExp(logged!.reference));
  assert.match(logged!.err.message, /secret/);
  assert.equal(await client.whoami(), alice.name);
});

test("an answer that cannot be written is the server's failure, not the caller's", async () => {
  await using toy = await startToy(server);
  toy.store.count = Number.NaN;
  assert.equal((await rawFault(toy.url, { body: encodeCall("getconfig", []) })).code, 601);
  assert.equal(toy.log.length, 1);
});

test("every bad certificate is its own fault, also for plain methods, and the next good call is served", async () => {
  await using toy = await startToy(server);
  const [expired, foreign, selfSigned, weak] = await Promise.all([
    authority.expired("alice"),
    authority.foreign("alice"),
    authority.selfSigned("alice"),
    authority.weak("alice"),
  ]);
  toy.revoked.add(bob.name);
  const body = encodeCall("getconfig", []);
  const code = async (identity: ClientTls) => (await rawFault(toy.url, { body, identity })).code;
  assert.equal(await code({}), 200);
  assert.equal(await code(expired.tls), 201);
  assert.equal(await code(bob.tls), 202);
  assert.equal(await code(foreign.tls), 204);
  assert.equal(await code(selfSigned.tls), 204);
  assert.equal(await code({ ...weak.tls, ciphers: "DEFAULT@SECLEVEL=0" }), 203);
  assert.equal((await raw(toy.url, { body })).status, 200);
});

test("a certificate that is revoked or ends while its connection is kept alive stops working at once", async () => {
  await using toy = await startToy(server);
  using connections = connectionsOf(alice);
  const client = xmlRpcClient(toyApi, { url: toy.url, connections });
  await client.whoami();
  toy.revoked.add(alice.name);
  await assert.rejects(client.whoami(), faults("CERTIFICATE_REVOKED"));
  toy.revoked.clear();
  await client.whoami();
  toy.shift = 40 * 365 * 86_400_000;
  await assert.rejects(client.whoami(), faults("CERTIFICATE_EXPIRED"));
});

test("a key revoked while its request's body is still arriving is refused", async () => {
  await using toy = await startToy(server);
  const body = encodeCall("add", [{ amount: 1 }]);
  const request = httpsRequest(toy.url, {
    method: "POST",
    headers: { "Content-Type": "text/xml", "Content-Length": body.length, Expect: "100-continue" },
    ...alice.tls,
    agent: false,
  });
  request.flushHeaders();
  await new Promise((resolve) => request.once("continue", resolve));
  toy.revoked.add(alice.name);
  request.end(body);
  const [response] = (await new Promise((resolve) => request.once("response", (...r) => resolve(r)))) as [
    AsyncIterable<Buffer>,
  ];
  const chunks = [];
  for await (const chunk of response) chunks.push(chunk);
  const answer = decodeResponse(Buffer.concat(chunks));
  assert.ok("fault" in answer && answer.fault.code === 202, JSON.stringify(answer));
  assert.equal(toy.store.count, 0);
});

test("the plain port answers plain methods, and nothing on it has a caller", async () => {
  await using toy = await startToy(server);
  using connections = connectionsOf(alice);
  const client = xmlRpcClient(toyApi, { url: toy.plainUrl!, connections });
  assert.equal((await client.getconfig()).version, "toy");
  await assert.rejects(client.whoami(), faults("NO_CERTIFICATE", /over TLS/));
  await assert.rejects(client.add({ amount: 1, request_id: "x" }), faults("NO_CERTIFICATE"));
  assert.equal(toy.store.count, 0);
});

test("whatever is wrong with the HTTP of a request is a fault too", async () => {
  await using toy = await startToy(server);
  const body = encodeCall("whoami", []);
  const bad: [Raw, number][] = [
    [{ body: "" }, 100],
    [{ body: "{}" }, 100],
    [{ body, headers: { "Content-Type": "application/json" } }, 100],
    [{ body, headers: { "Content-Type": "text/xml; charset=iso-8859-1" } }, 100],
    [{ body, headers: { "Content-Encoding": "gzip" } }, 100],
    [{ body: Buffer.alloc(1024 ** 2 + 1, "<") }, 101],
    [{ body: Buffer.alloc(8 * 1024 ** 2, "<") }, 101],
    [{ body: Buffer.alloc(8 * 1024 ** 2, "<"), headers: { "Transfer-Encoding": "chunked" } }, 101],
  ];
  for (const [options, code] of bad) assert.equal((await rawFault(toy.url, options)).code, code);
  for (const type of ["text/xml", "text/xml; charset=utf-8", 'text/xml;charset="UTF-8"', "application/xml"]) {
    assert.ok(
      "value" in decodeResponse((await raw(toy.url, { body, headers: { "Content-Type": type } })).body),
    );
  }
  assert.deepEqual(toy.log, []);
});

test("nobody may have more than their requests in a window, and others are not touched by it", async () => {
  await using toy = await startToy(server, { limits: { requestsPerWindow: 5, windowMs: 60_000 } });
  using connections = connectionsOf(alice);
  using others = connectionsOf(bob);
  const client = xmlRpcClient(toyApi, { url: toy.url, connections });
  for (let i = 0; i < 5; i++) await client.whoami();
  await assert.rejects(client.whoami(), faults("RATE_LIMITED", /5 requests in 60 s/));
  await xmlRpcClient(toyApi, { url: toy.url, connections: others }).whoami();
});
