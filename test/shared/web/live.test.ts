import assert from "node:assert/strict";
import { get, type IncomingMessage } from "node:http";
import { test } from "node:test";
import { Fault } from "#shared/model/errors.ts";
import { silentLog } from "#shared/runtime/log.ts";
import type { LiveTerms } from "#shared/web/live.ts";
import { startWebServer, type WebServer } from "#shared/web/server.ts";
import { table } from "#shared/web/table.ts";
import { eventually } from "../../support/deadline.ts";

type State = { names: string[]; count: number; away: boolean; broken: boolean; made: number };
type Told = { readonly event: string; readonly ids: string[]; readonly parts: Record<string, string> };

/** A site of one page, looked at every few milliseconds. */
async function site(terms: Partial<LiveTerms> = {}): Promise<WebServer & { url: string; state: State }> {
  const state: State = { names: ["one", "two"], count: 1, away: false, broken: false, made: 0 };
  const page = () => {
    if (state.away) throw new Fault("STORE_DOWN", "it is away");
    if (state.broken) throw new Error("at /secret/path");
    state.made += 1;
    const rows = state.names;
    const things = table({
      ...{ id: "things", title: "Things", empty: "None.", rows },
      columns: [{ key: "name", title: "Name", value: (name: string) => name }],
    });
    const facts = [{ key: "count", title: "Count", value: state.count }];
    return { title: "Things", now: 0, facts, parts: [things] };
  };
  const server = await startWebServer({
    ...{ address: "127.0.0.1", port: 0, service: "Slicelab test", log: silentLog(), now: () => 0 },
    ...{ ready: () => undefined, live: { everyMs: 5, ...terms } },
    routes: [
      { path: "/", link: "Overview", page },
      { path: "/things/:name", page: ({ name = "" }) => (state.names.includes(name) ? page() : undefined) },
    ],
  });
  return { ...server, url: `http://127.0.0.1:${server.port}`, state };
}

/** Looks on, as a browser would; `told` grows. */
async function watch(
  url: string,
  page = "/",
  localAddress = "127.0.0.1",
): Promise<Disposable & { told: Told[]; ended: Promise<void> }> {
  const told: Told[] = [];
  const asked = get(`${url}/events?page=${encodeURIComponent(page)}`, { localAddress });
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    asked.on("response", resolve).on("error", reject);
  });
  assert.equal(answer.statusCode, 200);
  assert.match(answer.headers["content-type"]!, /^text\/event-stream/);
  assert.match(String(answer.headers["content-security-policy"]), /default-src 'none'/);
  let text = "";
  answer.setEncoding("utf8").on("data", (some: string) => {
    const events = (text + some).split("\n\n");
    text = events.pop()!;
    for (const one of events) {
      const [, event, data] = /^event: (.*)\ndata: (.*)$/.exec(one) ?? [];
      if (event) told.push({ event, ...JSON.parse(data!) });
    }
  });
  const ended = new Promise<void>((resolve) => answer.once("close", resolve));
  return { told, ended, [Symbol.dispose]: () => asked.destroy() };
}

test("whoever looks on is told the whole page once, then the parts that changed and no others", async () => {
  await using served = await site();
  using watched = await watch(served.url, "/?things.sort=-name");
  const { told } = watched;
  await eventually(() => told.length > 2);
  assert.deepEqual(Object.keys(told[0]!.parts), ["page-head", "facts", "things", "page-foot"]);
  assert.deepEqual(told[1]!.parts, {});
  assert.ok(told[0]!.parts.things!.indexOf(">two<") < told[0]!.parts.things!.indexOf(">one<"), "as it sorts");
  served.state.count = 2;
  const changed = await eventually(() =>
    told.find(({ parts }, at) => at > 0 && Object.keys(parts).length > 0),
  );
  assert.deepEqual(Object.keys(changed.parts), ["facts"]);
  assert.match(changed.parts.facts!, /<dd>2<\/dd>/);
});

test("a page that is watched by many is made once for all of them, and for nobody not at all", async () => {
  await using served = await site();
  const { state } = served;
  const watched = await Promise.all([watch(served.url), watch(served.url), watch(served.url)]);
  await eventually(() => watched.every(({ told }) => told.length >= 20));
  const events = watched.reduce((sum, { told }) => sum + told.length, 0);
  assert.ok(state.made < events / 2, `made ${state.made} times for ${events} events`);
  for (const one of watched) one[Symbol.dispose]();
  let before = -1;
  await eventually(() => {
    const still = state.made === before;
    before = state.made;
    return still;
  });
});

test("what is gone, or cannot be known now, is said; and it goes on when it can", async () => {
  await using served = await site();
  using watched = await watch(served.url, "/things/two");
  const { told } = watched;
  const last = () => told.at(-1)?.event;
  await eventually(() => last() === "parts");
  served.state.away = true;
  await eventually(() => last() === "away");
  served.state.away = false;
  await eventually(() => last() === "parts");
  served.state.names = ["one"];
  await eventually(() => last() === "gone");
  served.state.names = ["two"];
  await eventually(() => last() === "parts");
  served.state.broken = true;
  await watched.ended;
});

test("no more may look on than there is room for, from one place or in all, and who leaves makes room", async () => {
  await using served = await site({ watchers: 3, watchersOfClient: 2 });
  const { url } = served;
  const first = await watch(url);
  using _second = await watch(url);
  const refused = await fetch(`${url}/events?page=/`);
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get("retry-after"), "60");
  assert.match(await refused.text(), /as many pages as one may; close some/);
  using _third = await watch(url, "/", "127.0.0.8");
  const { status, retryAfter } = await refusalOf(url, "127.0.0.9");
  assert.deepEqual([status, retryAfter], [503, "60"]);
  first[Symbol.dispose]();
  using _fourth = await eventually(() => watch(url));
});

function refusalOf(
  url: string,
  localAddress: string,
): Promise<{ status: number | undefined; retryAfter: string | undefined }> {
  return new Promise((resolve, reject) => {
    const asked = get(`${url}/events?page=/`, { localAddress }, (answer) => {
      answer.resume();
      resolve({ status: answer.statusCode, retryAfter: answer.headers["retry-after"] });
    });
    asked.on("error", reject);
  });
}

test("what is no page of ours is refused, and watchers are let go when the service ends", async () => {
  const served = await site();
  for (const page of ["", "?page=", "?page=//elsewhere/", "?page=http://elsewhere/", "?page=nodes"]) {
    assert.equal((await fetch(`${served.url}/events${page}`)).status, 400, page);
  }
  using nowhere = await watch(served.url, "/nowhere");
  await eventually(() => nowhere.told.at(-1)?.event === "gone");
  using watched = await watch(served.url);
  await eventually(() => watched.told.length > 0);
  await served[Symbol.asyncDispose]();
  await Promise.all([watched.ended, nowhere.ended]);
});
