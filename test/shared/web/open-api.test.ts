import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "#shared/runtime/log.ts";
import type { Route } from "#shared/web/route.ts";
import { startWebServer, type WebServer } from "#shared/web/server.ts";
import { table } from "#shared/web/table.ts";
import { assertDescribed } from "../../support/open-api.ts";

type Row = { readonly name: string; readonly at?: number; readonly load?: number };
const ROWS: readonly Row[] = [{ name: "one", at: 5, load: 0.5 }, { name: "a.json" }, { name: "{x}~/" }];

function routes(rows: () => readonly Row[]): Route[] {
  const page = () => ({
    ...{ title: "Things", now: 0, facts: [{ key: "count", title: "Count", value: rows().length }] },
    parts: [
      table<Row>({
        ...{ id: "things", title: "Things", empty: "None.", rows: rows() },
        columns: [
          { key: "name", title: "Name", value: ({ name }) => name },
          { key: "at", title: "At", time: true, value: ({ at }) => at },
          { key: "load", title: "Load", value: ({ load }) => load },
        ],
      }),
      {
        ...{ id: "past", title: "Past", unit: "%", from: 0, to: 10 },
        series: [{ key: "load", title: "Load", spans: [{ start: 0, end: 5, value: 1 }] }],
      },
    ],
  });
  return [
    { path: "/", link: "Overview", page },
    { path: "/things/:name", example: async () => ({ name: ROWS[2]!.name }), page },
    { path: "/others/:name", page },
    { path: "/secret", audience: "administrator", page },
  ];
}

async function site(rows: () => readonly Row[] = () => ROWS): Promise<WebServer & { url: string }> {
  const server = await startWebServer({
    ...{ address: "127.0.0.1", port: 0, service: "Slicelab test", log: silentLog(), now: () => 0 },
    ...{ ready: () => undefined, metrics: () => "numbers\n", routes: routes(rows) },
  });
  return { ...server, url: `http://127.0.0.1:${server.port}` };
}

test("pages are as they are described, those of one thing by an example", async () => {
  await using served = await site();
  assert.deepEqual(await assertDescribed(served.url), ["/index.json", "/things/{name}.json"]);
});

test("an answer that is otherwise than described is found", async () => {
  let rows = ROWS;
  await using served = await site(() => rows);
  rows = [{ name: "one", load: "much" as never, at: 5 }];
  await assertDescribed(served.url);
  rows = [{ name: ["no cell"] as never }];
  await assert.rejects(assertDescribed(served.url), /\/things\/rows\/0\/name must be string,number,null/);
});

test("columns and how to sort and filter by them are told, and nothing that is not for whoever asks", async () => {
  await using served = await site();
  const text = await (await fetch(`${served.url}/openapi.json`)).text();
  const { paths } = JSON.parse(text);
  const names = paths["/index.json"].get.parameters.map(({ name }: { name: string }) => name);
  assert.deepEqual(names, ["things.sort", "things.page", "things.is.name", "things.is.at", "things.is.load"]);
  assert.ok(paths["/others/{name}.json"] && paths["/metrics"] && paths["/events"] && paths["/health"]);
  assert.doesNotMatch(text, /secret/);
});
