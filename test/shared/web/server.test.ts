import assert from "node:assert/strict";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { Fault } from "#shared/model/errors.ts";
import { silentLog } from "#shared/runtime/log.ts";
import type { Route } from "#shared/web/route.ts";
import { startWebServer, type WebServer } from "#shared/web/server.ts";
import { table } from "#shared/web/table.ts";
import { eventually } from "../../support/deadline.ts";

const NAMES: readonly string[] = ["one", "x.json", "a/b", "<b>"];

type Site = WebServer & { readonly url: string };

function routes(away: () => boolean): Route[] {
  const things = table({
    ...{ id: "things", title: "Things", empty: "None.", rows: NAMES },
    columns: [{ key: "name", title: "Name", value: (name: string) => name }],
  });
  const facts = [{ key: "count", title: "Count", value: 4 }];
  return [
    { path: "/", link: "Overview", page: () => ({ title: "Things", now: 0, facts, parts: [things] }) },
    {
      path: "/things/:name",
      page: ({ name = "" }) => (NAMES.includes(name) ? { title: name, now: 0, parts: [] } : undefined),
    },
    {
      path: "/broken",
      page: () => {
        throw away() ? new Fault("STORE_DOWN", "at /secret/socket") : new Error("at /secret/path");
      },
    },
  ];
}

async function site(away: () => boolean = () => false): Promise<Site> {
  const server = await startWebServer({
    ...{
      address: "127.0.0.1",
      port: 0,
      names: ["agent.example.org"],
      service: "Slicelab test",
      log: silentLog(),
      now: () => 0,
    },
    metrics: () => "numbers\n",
    ready: () => {
      if (away()) throw new Fault("STORE_DOWN", "it is away");
    },
    routes: routes(away),
  });
  return { ...server, url: `http://127.0.0.1:${server.port}` };
}

/** The status of a request that says in its own words what it wants and of whom. */
function statusOf(url: string, path: string, host = new URL(url).host): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const asked = request({ hostname, port, path, headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asked.on("error", reject).end();
  });
}

function connected(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port }, () => resolve(socket));
    socket.on("error", reject);
  });
}

async function titleOf(url: string): Promise<string> {
  return ((await (await fetch(url)).json()) as { title: string }).title;
}

test("every page is JSON too: by its ending or by what the request accepts", async () => {
  await using served = await site();
  const { url } = served;
  const plain = await fetch(`${url}/index.json?things.sort=-name`);
  assert.match(plain.headers.get("content-type")!, /^application\/json/);
  const page = (await plain.json()) as { count: number; tables: { things: { rows: { name: string }[] } } };
  assert.equal(page.count, 4);
  const names = page.tables.things.rows.map(({ name }) => name);
  assert.deepEqual([...names].sort(), [...NAMES].sort());
  assert.equal(names[0], "x.json");
  const asked = await fetch(url, { headers: { accept: "application/json" } });
  assert.equal(((await asked.json()) as { title: string }).title, "Things");
  const browser = await fetch(url, { headers: { accept: "text/html,application/json" } });
  assert.match(browser.headers.get("content-type")!, /^text\/html/);
});

test("names that look like endings or paths have their own page", async () => {
  await using served = await site();
  const { url } = served;
  assert.match(await (await fetch(`${url}/things/x%2Ejson`)).text(), /<h1>x\.json<\/h1>/);
  assert.equal(await titleOf(`${url}/things/x%2Ejson.json`), "x.json");
  assert.match(await (await fetch(`${url}/things/a%2Fb`)).text(), /<h1>a\/b<\/h1>/);
  assert.match(await (await fetch(`${url}/things/%3Cb%3E`)).text(), /<h1>&lt;b&gt;<\/h1>/);
});

test("what is not there, makes no sense or is no reading is refused, with the same headers", async () => {
  await using served = await site();
  const { url } = served;
  const gone = await fetch(`${url}/things/none`);
  assert.equal(gone.status, 404);
  assert.match(await gone.text(), /Nothing has this address/);
  assert.equal((await fetch(`${url}/none.json`)).status, 404);
  assert.equal(await statusOf(url, "/../../etc/passwd"), 404);
  for (const path of ["/%ff", "/things/%", "/%"]) {
    const status = await statusOf(url, path);
    assert.ok(status === 400 || status === 404, `${path}: ${status}`);
  }
  for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
    assert.equal((await fetch(url, { method })).status, 404);
  }
  for (const answer of [gone, await fetch(`${url}/%ff`), await fetch(url)]) {
    const policy = answer.headers.get("content-security-policy")!;
    assert.match(policy, /^default-src 'none'; style-src 'self'; script-src 'self'/);
    assert.ok(!/unsafe|https?:|\*/.test(policy));
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
  }
});

test("other sites' names are not served, but whoever watches may ask how it is", async () => {
  await using served = await site();
  const { url } = served;
  for (const path of ["/", "/index.json", "/style.css", "/metrics"]) {
    assert.equal(await statusOf(url, path, "evil.example"), 421, path);
  }
  assert.equal(await statusOf(url, "/health", "agent:7002"), 200);
  assert.equal(await statusOf(url, "/ready", "agent:7002"), 200);
  assert.equal(await statusOf(url, "/", `localhost:${served.port}`), 200);
});

test("it is served under its own names, and under any address, since whoever asks for that has asked its machine", async () => {
  await using served = await site();
  const { url } = served;
  for (const host of ["agent.example.org:7002", "Agent.example.ORG", "192.0.2.7:80", "[2001:db8::7]:7002"])
    assert.equal(await statusOf(url, "/", host), 200, host);
  for (const host of [
    "example.org",
    "agent.example.org.evil.example",
    "192.0.2.7.evil.example",
    "[::1",
    "1.2.3.4.5",
  ])
    assert.equal(await statusOf(url, "/", host), 421, host);
});

test("it is well while it answers, ready while what it needs is there; what failed inside stays inside", async () => {
  let away = false;
  await using served = await site(() => away);
  const { url } = served;
  const broken = await fetch(`${url}/broken`);
  assert.equal(broken.status, 503);
  assert.ok(!(await broken.text()).includes("secret"));
  assert.equal((await fetch(`${url}/ready`)).status, 200);
  away = true;
  assert.equal((await fetch(`${url}/health`)).status, 200);
  const ready = await fetch(`${url}/ready`);
  assert.equal(ready.status, 503);
  assert.match(await ready.text(), /its database cannot be reached/);
  assert.ok(!(await (await fetch(`${url}/broken`)).text()).includes("secret"));
});

test("style and script may be kept as long as they are the same", async () => {
  await using served = await site();
  const { url } = served;
  const page = await (await fetch(url)).text();
  for (const name of ["style.css", "script.js"]) {
    const address = new RegExp(`"(/${name}\\?[0-9a-f]{12})"`).exec(page)![1]!;
    assert.match((await fetch(url + address)).headers.get("cache-control")!, /immutable/);
    assert.equal((await fetch(`${url}/${name}`)).headers.get("cache-control"), "no-store");
  }
  assert.equal(await (await fetch(`${url}/metrics`)).text(), "numbers\n");
});

test("one address that opens connection after connection gets no more than its share, and others theirs", async () => {
  await using here = await site();
  const sockets = await Promise.all(Array.from({ length: 512 }, () => connected(here.port)));
  const address = "127.0.0.9";
  const asked = (localAddress: string) =>
    new Promise<boolean>((resolve) => {
      const { port } = here;
      const call = request({ host: "127.0.0.1", port, path: "/health", localAddress, agent: false });
      call.on("response", (response) => resolve(response.resume().statusCode === 200));
      call.on("error", () => resolve(false)).end();
    });
  assert.deepEqual([await asked("127.0.0.1"), await asked(address)], [false, true]);
  for (const socket of sockets) socket.destroy();
  await eventually(() => asked("127.0.0.1"), { what: "the address being served again" });
});
