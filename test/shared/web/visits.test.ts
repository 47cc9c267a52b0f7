import assert from "node:assert/strict";
import { get } from "node:http";
import { get as secureGet } from "node:https";
import { after, before, test } from "node:test";
import { Trust } from "#shared/identity/trust.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { securePort } from "#shared/web/secure-port.ts";
import { startWebServer, type WebServer } from "#shared/web/server.ts";
import { byCertificate } from "#shared/web/viewer.ts";
import { type TestAuthority, type TestIdentity, testAuthority } from "../../support/authority.ts";
import { SecureReader, type WebAnswer } from "../../support/secure-web.ts";

const REQUESTS = 4;

let authority: TestAuthority;
let people: Record<"admin" | "alice" | "foreign", TestIdentity>;
let server: WebServer;

before(async () => {
  authority = await testAuthority();
  const [identity, admin, alice, foreign] = await Promise.all([
    authority.server("service"),
    authority.client("admin"),
    authority.client("alice"),
    authority.foreign("mallory"),
  ]);
  people = { admin, alice, foreign };
  const believing = {
    identity: { tls: identity.tls, trust: new Trust(authority.caPem) },
    revocations: { isRevoked: () => false },
  };
  const page = () => ({ title: "Things", now: 0, parts: [] });
  server = await startWebServer({
    ...{ address: "127.0.0.1", port: 0, service: "Slicelab test", log: silentLog(), now: () => 0 },
    ...{ ready: () => undefined, routes: [{ path: "/", link: "Overview", page }] },
    secure: securePort(0, believing, byCertificate([admin.name])),
    visits: { requests: REQUESTS, windowMs: 60_000 },
    live: { watchers: 2, watchersOfClient: 1 },
  });
});

after(() => server?.[Symbol.asyncDispose]());

function plain(path: string, localAddress: string): Promise<WebAnswer> {
  return new Promise((resolve, reject) => {
    const asked = get({ host: "127.0.0.1", port: server.port, path, localAddress }, async (response) => {
      const text = Buffer.concat((await response.toArray()) as Buffer[]).toString("utf8");
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
    });
    asked.on("error", reject);
  });
}

const reader = (person?: TestIdentity) =>
  new SecureReader(person ? { ...person.tls, ca: authority.caPem } : { ca: authority.caPem });
const at = (path: string) => `https://127.0.0.1:${server.securePort}${path}`;

test("who asks too much is told so and when to come back; others, and who watches over the service, are answered", async () => {
  for (const path of ["/", "/index.json", "/nowhere", "/ready"])
    assert.notEqual((await plain(path, "127.0.0.1")).status, 429, path);
  for (const path of ["/", "/ready", "/metrics", "/events?page=/"]) {
    const { status, headers, text } = await plain(path, "127.0.0.1");
    assert.equal(status, 429, path);
    const seconds = Number(headers["retry-after"]);
    assert.ok(seconds >= 1 && seconds <= 60);
    assert.match(
      text,
      new RegExp(`your address 127\\.0\\.0\\.1 came more than 4 in 60 s\\. Wait ${seconds} s`),
    );
    assert.match(text, /with a certificate|shows a certificate/);
    assert.equal(headers["x-content-type-options"], "nosniff");
  }
  for (const path of ["/health", "/style.css?1"])
    assert.equal((await plain(path, "127.0.0.1")).status, 200, path);
  assert.equal((await plain("/", "127.0.0.9")).status, 200);
});

test("over TLS a key is counted alone: neither strangers at the same address nor other keys starve it", async () => {
  using stranger = reader();
  using foreign = reader(people.foreign);
  for (let asked = 0; asked < REQUESTS; asked++) await (asked % 2 ? stranger : foreign).read(at("/"));
  for (const nobody of [stranger, foreign]) assert.equal((await nobody.read(at("/"))).status, 429);
  using alice = reader(people.alice);
  for (let asked = 0; asked < REQUESTS; asked++) assert.equal((await alice.read(at("/"))).status, 200);
  using again = reader(people.alice);
  const refused = await again.read(at("/"));
  assert.equal(refused.status, 429, "on another connection, too");
  assert.match(refused.text, /from your key came more than 4/);
  using admin = reader(people.admin);
  assert.equal((await admin.read(at("/"))).status, 200);
});

/** Looks on until it is disposed of. */
function watching({ tls }: TestIdentity): Promise<Disposable & { readonly status: number | undefined }> {
  return new Promise((resolve, reject) => {
    const asked = secureGet(at("/events?page=/"), { ...tls, ca: authority.caPem, agent: false }, (answer) => {
      resolve({ status: answer.statusCode, [Symbol.dispose]: () => asked.destroy() });
    });
    asked.on("error", reject);
  });
}

test("whoever administers a service looks on, however many others do", async () => {
  const [bob, carol, dave] = await Promise.all(
    ["bob", "carol", "dave"].map((name) => authority.client(name)),
  );
  using first = await watching(bob!);
  using second = await watching(bob!);
  using third = await watching(carol!);
  using fourth = await watching(dave!);
  using administrator = await watching(people.admin);
  const all = [first, second, third, fourth, administrator];
  assert.deepEqual(
    all.map(({ status }) => status),
    [200, 429, 200, 503, 200],
  );
});
