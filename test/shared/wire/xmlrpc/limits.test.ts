import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { serverTlsOptions } from "#shared/identity/tls.ts";
import { Fault } from "#shared/model/errors.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { encodeCall } from "#shared/wire/xmlrpc/encode.ts";
import { TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import { connectionsOf, startToy, toyApi, toyParties } from "./toy-service.ts";

const { server, alice, bob } = await toyParties();

/** A connection that a hostile client holds, and what came on it before it ended. */
function observed(socket: Socket) {
  let received = "";
  socket.on("data", (data) => {
    received += data;
  });
  socket.on("error", () => {});
  const ended = once(socket, "close").then(() => received);
  return { socket, ended, [Symbol.dispose]: () => void socket.destroy() };
}

const overTcp = (port: number) => observed(connectTcp(port, "127.0.0.1"));
const overTls = (port: number) => observed(connectTls({ port, host: "127.0.0.1", ...alice.tls }));

test("silence, slow headers and slow bodies are ended in their time, on both ports", {
  timeout: 60_000,
}, async () => {
  await using toy = await startToy(server, { limits: { headerMs: 1000, requestMs: 2000 } });
  using connections = connectionsOf(bob);
  const begun = "POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n";
  const silent = [overTcp(toy.plainPort!), overTls(toy.port)];
  const withHeader = [overTcp(toy.plainPort!), overTls(toy.port)];
  const withBody = [overTcp(toy.plainPort!), overTls(toy.port)];
  for (const { socket } of withHeader) socket.write(begun);
  for (const { socket } of withBody) socket.write(`${begun}Content-Length: 1000\r\n\r\n<methodCall>`);
  const answers = await Promise.all([...silent, ...withHeader, ...withBody].map(({ ended }) => ended));
  for (const answer of answers) assert.doesNotMatch(answer, /200 OK/);
  await xmlRpcClient(toyApi, { url: toy.url, connections }).whoami();
});

test("a handshake that is begun and not finished is ended too", { timeout: 60_000 }, async () => {
  const tls = {
    host: "127.0.0.1",
    port: 0,
    options: {
      ...serverTlsOptions(server.tls),
      handshakeTimeout: 200,
    },
  };
  await using toy = await startToy(server, { tls });
  const idle = overTcp(toy.port);
  await idle.ended;
});

test("two thousand connections that say nothing do not keep a good client waiting", {
  timeout: 120_000,
}, async () => {
  await using toy = await startToy(server);
  await using crowd = new AsyncDisposableStack();
  const slow = Array.from({ length: 2000 }, (_, i) => {
    const connection = overTcp(i % 2 ? toy.port : toy.plainPort!);
    crowd.defer(() => void connection.socket.destroy());
    connection.socket.write("POST /RPC2 HT");
    return once(connection.socket, "connect");
  });
  await Promise.all(slow);
  using connections = connectionsOf(alice);
  const client = xmlRpcClient(toyApi, { url: toy.url, connections, timeoutMs: 60_000 });
  for (let i = 0; i < 50; i++) assert.equal(await client.whoami(), alice.name);
});

test("one address, and one principal, has only so many connections", { timeout: 60_000 }, async () => {
  const limits = { connectionsPerAddress: 4, connectionsPerPeer: 2, headerMs: 60_000, requestMs: 60_000 };
  await using toy = await startToy(server, { limits });
  using connections = connectionsOf(alice);
  const client = xmlRpcClient(toyApi, { url: toy.url, connections });
  const waiting = [client.wait(), client.wait()];
  await assert.rejects(client.wait(), (error) => error instanceof Fault && error.name === "RATE_LIMITED");
  using held = new DisposableStack();
  const crowd = Array.from({ length: 5 }, () => held.use(overTcp(toy.plainPort!)));
  await Promise.race(crowd.map(({ ended }) => ended));
  toy.release();
  assert.deepEqual(await Promise.all(waiting), ["done", "done"]);
});

test("closing lets running calls finish and takes no new ones", { timeout: 60_000 }, async () => {
  const toy = await startToy(server, { limits: { closeMs: 60_000 } });
  using connections = connectionsOf(alice);
  const client = xmlRpcClient(toyApi, { url: toy.url, connections });
  await client.whoami();
  const arrived = once(toy.waiting, "call");
  const running = client.wait();
  await arrived;
  const closed = toy.close();
  await assert.rejects(
    xmlRpcClient(toyApi, { url: toy.plainUrl!, connections }).getconfig(),
    (error) => error instanceof TransportError && error.kind === "refused",
  );
  toy.release();
  assert.equal(await running, "done");
  await closed;
});

test("closing does not wait for ever for a call that never ends or a client that says nothing", {
  timeout: 60_000,
}, async () => {
  const toy = await startToy(server, { limits: { closeMs: 200 } });
  using connections = connectionsOf(alice);
  using _idle = overTcp(toy.port);
  const arrived = once(toy.waiting, "call");
  const running = xmlRpcClient(toyApi, { url: toy.url, connections }).wait();
  await arrived;
  await Promise.all([toy.close(), assert.rejects(running, TransportError)]);
  toy.release();
});

test("a body that is cut off is not a call", async () => {
  await using toy = await startToy(server);
  using connection = overTls(toy.port);
  const body = encodeCall("add", [{ amount: 1 }]);
  connection.socket.write(
    `POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: ${body.length + 9}\r\n\r\n`,
  );
  connection.socket.end(body);
  await connection.ended;
  assert.equal(toy.store.count, 0);
});
