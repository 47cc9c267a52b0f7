import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import xmlrpc from "xmlrpc";
import { Fault } from "#shared/model/errors.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { ForeignFault } from "#shared/wire/xmlrpc/transport-error.ts";
import { writeIdentity } from "#test/support/authority.ts";
import { connectionsOf, startToy, toyApi, toyParties } from "./toy-service.ts";

const { server, alice } = await toyParties();
const skip = spawnSync("python3", ["--version"]).status !== 0 && "there is no python3 here";

/** Values that every XML-RPC program has, and that nobody may change on their way. */
const VALUES = [
  0,
  -1,
  2 ** 31 - 1,
  0.1,
  -2.5,
  true,
  false,
  null,
  "",
  " a\tb\n",
  "<ticket>&amp;]]>",
  "žluťoučký 🐎",
  "a\r\nb",
  [],
  [1, ["two", [3.5]]],
  { a: { b: [1, 2] } },
  Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 256)),
  new Date("2030-01-02T03:04:05Z"),
];

async function files(identity: typeof alice) {
  const directory = await mkdtemp(join(tmpdir(), "xmlrpc-"));
  const { key, cert, ca } = await writeIdentity(directory, "one", identity.tls);
  return { paths: [key, cert, ca], [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) };
}

const here = (name: string) => join(import.meta.dirname, name);

test("Python's client calls our server over mutual TLS and gets back what it sent", { skip }, async () => {
  await using toy = await startToy(server);
  await using own = await files(alice);
  toy.store.count = 2 ** 40;
  const { stdout } = await promisify(execFile)("python3", [here("python_client.py"), toy.url, ...own.paths]);
  const seen = JSON.parse(stdout);
  assert.equal(seen.whoami, alice.name);
  assert.equal(seen.count, 2 ** 40);
  assert.deepEqual(seen.methods, [...seen.methods].sort());
  assert.ok(seen.methods.includes("system.methodHelp"));
  assert.equal(seen.help, "refuse(): Refuses.");
  assert.deepEqual(seen.signature, [["struct"]]);
  assert.deepEqual(seen.faults.refuse, [500, "NO_CAPACITY: the node is full; try another"]);
  assert.equal(seen.faults.unknown[0], 102);
  assert.match(seen.faults.misspelt[1], /^MALFORMED: add: /);
  assert.equal(seen.faults.positional[0], 100);
  assert.equal(seen.faults["too large"][0], 101);
  assert.equal(seen.faults.multicall[0], 102);
});

test("our client calls Python's server over mutual TLS and gets back what it sent", { skip }, async () => {
  await using own = await files(server);
  const python = spawn("python3", [here("python_server.py"), ...own.paths], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    const [port] = await once(python.stdout, "data");
    using connections = connectionsOf(alice);
    const url = `https://127.0.0.1:${String(port).trim()}/RPC2`;
    const client = xmlRpcClient(toyApi, { url, connections, expectedPeer: server.name });
    // It writes a carriage return as it is, which XML reads as a newline.
    for (const value of VALUES.filter((v) => v !== "a\r\nb")) {
      assert.deepEqual(await client.echo({ value }), plain(value));
    }
    assert.equal(await client.whoami(), "somebody");
    await assert.rejects(client.refuse(), (error) => error instanceof Fault && error.name === "SLICE_EXISTS");
    await assert.rejects(client.fail(), (error) => error instanceof ForeignFault && error.code === 4711);
    await assert.rejects(client.wait(), ForeignFault);
  } finally {
    python.stdin.end();
    await once(python, "exit");
  }
});

test("npm's xmlrpc calls our server over mutual TLS and gets back what it sent", async () => {
  await using toy = await startToy(server);
  const client = xmlrpc.createSecureClient({ url: toy.url, ...alice.tls, agent: false } as object & {
    url: string;
  });
  const call = (method: string, params: unknown[]) =>
    new Promise((resolve, reject) => {
      client.methodCall(method, params, (error: unknown, value) => (error ? reject(error) : resolve(value)));
    });
  // Its dates are local time without saying so, and it knows no empty Buffer.
  for (const value of VALUES.filter((v) => !(v instanceof Date))) {
    assert.deepEqual(await call("echo", [{ value }]), value);
  }
  assert.equal(await call("whoami", []), alice.name);
  await assert.rejects(call("refuse", []), {
    faultCode: 500,
    faultString: "NO_CAPACITY: the node is full; try another",
  });
  await assert.rejects(call("add", [{ amount: "12" }]), { faultCode: 100 });
});

test("our client calls npm's xmlrpc server over TLS and gets back what it sent", async () => {
  const { promise: listening, resolve: onListening } = Promise.withResolvers<void>();
  const options: object = {
    host: "127.0.0.1",
    port: 0,
    ...server.tls,
    requestCert: true,
    rejectUnauthorized: true,
  };
  const outside = xmlrpc.createSecureServer(
    options as Parameters<typeof xmlrpc.createSecureServer>[0],
    onListening,
  );
  outside.on("echo", (_, [params], answer) => answer(null, params.value));
  outside.on("refuse", (_, __, answer) =>
    answer({ faultCode: 504, faultString: "slice does not exist" }, null),
  );
  await listening;
  const http = outside.httpServer as import("node:https").Server;
  try {
    using connections = connectionsOf(alice);
    const { port } = http.address() as { port: number };
    const client = xmlRpcClient(toyApi, { url: `https://127.0.0.1:${port}/`, connections });
    for (const value of VALUES.filter((v) => !(v instanceof Date))) {
      assert.deepEqual(await client.echo({ value }), plain(value));
    }
    await assert.rejects(client.refuse(), (error) => error instanceof Fault && error.name === "NO_SLICE");
  } finally {
    http.closeAllConnections();
    http.close();
  }
});

/** Structs come back without a prototype. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null || Buffer.isBuffer(value) || value instanceof Date)
    return value;
  return Object.assign(
    Object.create(null),
    Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)])),
  );
}
