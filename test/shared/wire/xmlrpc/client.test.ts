import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { test } from "node:test";
import { serverTlsOptions } from "#shared/identity/tls.ts";
import { Fault } from "#shared/model/errors.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { encodeFault, encodeResponse } from "#shared/wire/xmlrpc/encode.ts";
import { ForeignFault, TransportError, type TransportFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import { testAuthority } from "#test/support/authority.ts";
import { ownPort } from "#testbed/own-port.ts";
import { connectionsOf, startToy, toyApi, toyParties } from "./toy-service.ts";

const { authority, server, alice, bob } = await toyParties();

const fails =
  (kind: TransportFailure, pattern = /./) =>
  (error: unknown) => {
    assert.ok(error instanceof TransportError, String(error));
    assert.equal(error.kind, kind, error.message);
    assert.match(error.message, pattern);
    return true;
  };

/** Something that listens on a free port and is gone at the end of the test. */
async function listening<S extends Server>(made: S) {
  made.listen(0, "127.0.0.1");
  await once(made, "listening");
  const { port } = made.address() as AddressInfo;
  const close = async () => {
    if ("closeAllConnections" in made)
      (made as unknown as { closeAllConnections(): void }).closeAllConnections();
    made.close();
  };
  return { port, server: made, [Symbol.asyncDispose]: close };
}

const hostile = (listener: RequestListener) => listening(createHttpServer(listener) as unknown as Server);

/** A client of a plain-HTTP server that behaves as `listener` does. */
function plainClient(port: number, connections: Connections, timeoutMs?: number) {
  return xmlRpcClient(toyApi, { url: `http://127.0.0.1:${port}/RPC2`, connections, timeoutMs });
}

test("a server that is not there is refused, and the call can't have happened", async () => {
  using connections = connectionsOf(alice);
  const client = xmlRpcClient(toyApi, { url: `https://127.0.0.1:${await ownPort()}/RPC2`, connections });
  await assert.rejects(client.whoami(), (error) => {
    fails("refused", /127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\)/)(error);
    return !(error as TransportError).mayHaveHappened;
  });
});

test("a server of another authority, or of another address, is not called", async () => {
  const otherwhere = await authority.server("elsewhere", ["127.0.0.9"]);
  await using wrongAddress = await startToy(otherwhere);
  await using toy = await startToy(server);
  const stranger = await authority.foreign("mallory");
  const elsewhere = await testAuthority(); // another one: that of the parties is the whole run's
  const trustsElsewhere = { tls: { ...stranger.tls, ca: elsewhere.caPem } };
  using connections = connectionsOf(alice);
  using strangers = connectionsOf(trustsElsewhere);
  const call = (url: string, using: Connections) =>
    xmlRpcClient(toyApi, { url, connections: using }).whoami();
  await assert.rejects(call(toy.url, strangers), fails("tls", /could not be made secure/));
  await assert.rejects(
    call(wrongAddress.url, connections),
    fails("wrong-peer", /not certified for that address/),
  );
});

test("a pinned client talks to its key wherever that is, and writes nothing to another", async () => {
  const moved = await authority.server("moved", ["127.0.0.9"]);
  await using toy = await startToy(moved);
  using connections = connectionsOf(alice);
  const pinnedTo = (expectedPeer: string) =>
    xmlRpcClient(toyApi, { url: toy.url, connections, expectedPeer });
  assert.equal((await pinnedTo(moved.name).add({ amount: 1 })).total, 1);
  await assert.rejects(pinnedTo(bob.name).add({ amount: 1 }), fails("wrong-peer", new RegExp(moved.name)));
  assert.equal(toy.store.count, 1);
});

test("nothing is said to a server whose key is revoked, on a connection that is open or on a new one", async () => {
  await using toy = await startToy(server);
  await using other = await startToy(await authority.server("other"));
  using connections = connectionsOf(alice);
  const clients = [undefined, server.name].map((expectedPeer) =>
    xmlRpcClient(toyApi, { url: toy.url, connections, expectedPeer }),
  );
  for (const client of clients) await client.add({ amount: 1 });
  const revoked = new Set<string>();
  connections.heed((key) => revoked.has(key));
  for (const client of clients) await client.add({ amount: 1 });
  const open = toy.sockets.size;
  revoked.add(server.name);
  const refused = fails(
    "wrong-peer",
    new RegExp(`revoked the key ${server.name} of the server at 127.0.0.1`),
  );
  for (const client of [...clients, ...clients]) await assert.rejects(client.add({ amount: 1 }), refused);
  assert.deepEqual([toy.store.count, open], [4, 2]);
  await xmlRpcClient(toyApi, { url: other.url, connections }).whoami();
});

test("a kept-alive connection is not lent to a client with another pin", async () => {
  await using toy = await startToy(server);
  using connections = connectionsOf(alice);
  const pinnedTo = (expectedPeer?: string) =>
    xmlRpcClient(toyApi, { url: toy.url, connections, expectedPeer });
  await pinnedTo(server.name).whoami();
  await pinnedTo(server.name).whoami();
  assert.equal(toy.sockets.size, 1);
  await pinnedTo().whoami();
  assert.equal(toy.sockets.size, 2);
  await assert.rejects(pinnedTo(bob.name).whoami(), fails("wrong-peer"));
  assert.equal(toy.sockets.size, 2);
});

test("the deadline covers connecting, the handshake, the answer's begin and its end", {
  timeout: 60_000,
}, async () => {
  await using mute = await listening(createTcpServer());
  await using slow = await hostile(() => {});
  await using dripping = await hostile((_, response) => {
    response.writeHead(200, { "Content-Type": "text/xml" });
    const drip = setInterval(() => response.write(" "), 20);
    response.on("close", () => clearInterval(drip));
  });
  using connections = connectionsOf(alice);
  const handshake = xmlRpcClient(toyApi, {
    url: `https://127.0.0.1:${mute.port}/`,
    connections,
    timeoutMs: 100,
  });
  await assert.rejects(handshake.whoami(), fails("timeout", /did not answer whoami within 100 ms/));
  await assert.rejects(plainClient(slow.port, connections, 100).whoami(), fails("timeout"));
  await assert.rejects(
    plainClient(dripping.port, connections).whoami({}, { timeoutMs: 100 }),
    fails("timeout"),
  );
});

test("a caller's own signal ends the call with the caller's own reason", async () => {
  await using toy = await startToy(server);
  using connections = connectionsOf(alice);
  const client = xmlRpcClient(toyApi, { url: toy.url, connections });
  const controller = new AbortController();
  const reason = new Error("the user pressed ^C");
  toy.waiting.addEventListener("call", () => controller.abort(reason));
  await assert.rejects(client.wait({}, { signal: controller.signal }), reason);
  await assert.rejects(client.whoami({}, { signal: controller.signal }), reason);
  toy.release();
});

test("an endless answer is cut off at its limit", { timeout: 60_000 }, async () => {
  let written = 0;
  await using endless = await hostile((_, response) => {
    const piece = Buffer.alloc(1024 ** 2, " ");
    const more = () => {
      while (!response.destroyed && response.write(piece)) written += piece.length;
      written += piece.length;
    };
    response.on("drain", more);
    more();
  });
  using connections = new Connections();
  await assert.rejects(plainClient(endless.port, connections).whoami(), fails("too-large", /16777216/));
  assert.ok(written < 64 * 1024 ** 2, `${written} bytes were taken`);
});

test("an answer that is not what the contract promises is malformed, and says where", async () => {
  const answers: [(path: string) => Buffer | string, RegExp][] = [
    [() => "hello", /improperly: this is not well-formed/],
    [() => "", /improperly/],
    [() => `<!DOCTYPE a>${encodeResponse("x")}`, /DOCTYPE/],
    [() => encodeResponse(7), /whoami: Invalid input: expected string/],
    [() => encodeResponse({ a: 1 }), /whoami/],
  ];
  for (const [answer, pattern] of answers) {
    await using server = await hostile((request, response) => void response.end(answer(request.url!)));
    using connections = new Connections();
    await assert.rejects(plainClient(server.port, connections).whoami(), fails("malformed", pattern));
  }
});

test("redirects, HTTP errors and encoded answers are not answers", async () => {
  let elsewhere = 0;
  await using target = await hostile((_, response) => {
    elsewhere += 1;
    response.end(encodeResponse("x"));
  });
  const bad: RequestListener[] = [
    (_, response) => response.writeHead(307, { Location: `http://127.0.0.1:${target.port}/` }).end(),
    (_, response) => response.writeHead(404).end("no"),
    (_, response) => response.writeHead(500).end(encodeResponse("x")),
    (_, response) => response.writeHead(200, { "Content-Encoding": "gzip" }).end(encodeResponse("x")),
  ];
  for (const listener of bad) {
    await using server = await hostile(listener);
    using connections = new Connections();
    await assert.rejects(plainClient(server.port, connections).whoami(), fails("malformed", /HTTP \d+/));
  }
  assert.equal(elsewhere, 0);
});

test("a connection that ends before its answer does is broken, and the call may have happened", async () => {
  const listeners: RequestListener[] = [
    (request) => request.socket.destroy(),
    (request, response) => {
      response.writeHead(200, { "Content-Length": 1000 });
      response.write("<", () => request.socket.destroy());
    },
  ];
  for (const listener of listeners) {
    await using server = await hostile(listener);
    using connections = new Connections();
    await assert.rejects(plainClient(server.port, connections).whoami(), (error) => {
      fails("broken")(error);
      return (error as TransportError).mayHaveHappened;
    });
  }
});

test("a fault keeps its number: ours becomes a Fault, another server's stays as it was sent", async () => {
  const faults = [
    { code: 501, message: "SLICE_EXISTS: slice already exists; choose another name" },
    { code: 501, message: "somebody else's words" },
    { code: 4711, message: "unheard of" },
  ];
  await using server = await hostile((_, response) => void response.end(encodeFault(faults.shift()!)));
  using connections = new Connections();
  const client = plainClient(server.port, connections);
  const rejected = async () =>
    (await client.whoami().catch((error: unknown) => error)) as Fault | ForeignFault;
  const ours = await rejected();
  assert.ok(ours instanceof Fault);
  assert.equal(ours.code, 501);
  assert.equal(ours.message, "SLICE_EXISTS: slice already exists; choose another name");
  assert.equal((await rejected()).message, "SLICE_EXISTS: somebody else's words");
  const foreign = await rejected();
  assert.ok(foreign instanceof ForeignFault);
  assert.deepEqual([foreign.code, foreign.message], [4711, "unheard of"]);
});

test("a kept-alive connection that its server gives up is replaced, for calls that can be repeated", async () => {
  const reply = encodeResponse({ total: 1, stamp: "" });
  const answer = `HTTP/1.1 200 OK\r\nContent-Length: ${reply.length}\r\n\r\n${reply}`;
  let calls = 0;
  /** Answers one call on each connection and resets it when a second one arrives, as a server does that was ending it. */
  const once = createTcpServer((socket) => {
    let answered = false;
    socket.on("error", () => {});
    socket.on("data", (data) => {
      if (!data.includes("</methodCall>")) return;
      calls += 1;
      if (answered) socket.resetAndDestroy();
      else socket.write(answer);
      answered = true;
    });
  });
  await using server = await listening(once);
  using connections = new Connections();
  const client = plainClient(server.port, connections);
  await client.add({ amount: 1 });
  await client.add({ amount: 1, request_id: "repeatable" });
  assert.equal(calls, 3);
  await assert.rejects(client.add({ amount: 1 }), fails("broken"));
  assert.equal(calls, 4);
});

test("many calls at once share one identity and connections are used again", async () => {
  await using toy = await startToy(server);
  using connections = connectionsOf(alice);
  const client = xmlRpcClient(toyApi, { url: toy.url, connections });
  for (let round = 0; round < 5; round++)
    await Promise.all(Array.from({ length: 20 }, () => client.whoami()));
  assert.ok(toy.sockets.size <= 20, `${toy.sockets.size} connections`);
});

test("what cannot be sent is refused before anything is", async () => {
  await using toy = await startToy(server);
  using connections = connectionsOf(alice);
  const client = xmlRpcClient(toyApi, { url: toy.url, connections });
  await assert.rejects(
    client.echo({ value: "\0" }),
    (error) => error instanceof Fault && error.name === "MALFORMED",
  );
});

test("a server that speaks TLS and then nonsense is broken, not believed", async () => {
  const odd = createHttpsServer(serverTlsOptions(server.tls));
  odd.on("secureConnection", (socket) => socket.end("HELLO\r\n\r\n"));
  await using running = await listening(odd as unknown as Server);
  using connections = connectionsOf(alice);
  const client = xmlRpcClient(toyApi, { url: `https://127.0.0.1:${running.port}/RPC2`, connections });
  await assert.rejects(client.whoami(), fails("broken"));
});
