import assert from "node:assert/strict";
import { test } from "node:test";
import { html, pathPart } from "#shared/web/html.ts";
import { table } from "#shared/web/table.ts";
import { tableSection } from "#shared/web/table-section.ts";

type Machine = { readonly ip: string; readonly load?: number; readonly heard?: number };

const MACHINES: readonly Machine[] = [
  { ip: "10.0.0.9", load: 0.5, heard: 0 },
  { ip: "10.0.0.10", heard: 86_400 },
  { ip: "10.0.0.1", load: 7, heard: 3600 },
];

const machines = (rows = MACHINES, pageRows = 100) =>
  table<Machine>({
    ...{ id: "m", title: "Machines", empty: "There is none.", rows, pageRows },
    columns: [
      { key: "ip", title: "Address", value: ({ ip }) => ip },
      { key: "load", title: "Load", value: ({ load }) => load },
      {
        ...{ key: "heard", title: "Heard", time: true, value: ({ heard }) => heard },
        show: ({ heard }) => html`<b>${heard === 0 ? "long" : "short"}</b> ago`,
      },
    ],
  });

function ips(query: string, of = machines()): unknown[] {
  return of.select(new URLSearchParams(query)).rows.map(({ json }) => json.ip);
}

test("every column sorts, up and down, numbers in addresses as numbers and what is not known last", () => {
  assert.deepEqual(ips(""), ["10.0.0.9", "10.0.0.10", "10.0.0.1"]);
  assert.deepEqual(ips("m.sort=ip"), ["10.0.0.1", "10.0.0.9", "10.0.0.10"]);
  assert.deepEqual(ips("m.sort=-ip"), ["10.0.0.10", "10.0.0.9", "10.0.0.1"]);
  assert.deepEqual(ips("m.sort=load"), ["10.0.0.9", "10.0.0.1", "10.0.0.10"]);
  assert.deepEqual(ips("m.sort=-load"), ["10.0.0.1", "10.0.0.9", "10.0.0.10"]);
  assert.deepEqual(ips("m.sort=-heard"), ["10.0.0.10", "10.0.0.1", "10.0.0.9"]);
});

test("every column filters: by parts, by comparison, by what is shown, and by what is not known", () => {
  assert.deepEqual(ips("m.is.ip=0.1"), ["10.0.0.10", "10.0.0.1"]);
  assert.deepEqual(ips("m.is.ip=%3D+10.0.0.1"), ["10.0.0.1"]);
  assert.deepEqual(ips("m.is.load=%3E1"), ["10.0.0.1"]);
  assert.deepEqual(ips("m.is.load=%3C%3D+0.5"), ["10.0.0.9"]);
  assert.deepEqual(ips("m.is.load=-"), ["10.0.0.10"]);
  assert.deepEqual(ips("m.is.heard=LONG"), ["10.0.0.9"]);
  assert.deepEqual(ips("m.is.heard=1970-01-02"), ["10.0.0.10"]);
  assert.deepEqual(ips("m.is.heard=%3E1970-01-01+00:30"), ["10.0.0.10", "10.0.0.1"]);
  assert.deepEqual(ips("m.is.ip=0.1&m.is.load=7"), ["10.0.0.1"]);
});

test("a query string that makes no sense is as if it were not there", () => {
  for (const query of ["m.sort=nothing", "m.page=x", "m.page=-1", "m.page=1e99", "n.sort=ip", "m.is.ip="]) {
    assert.deepEqual(ips(query), ips(""), query);
  }
  assert.deepEqual(ips("m.is.load=%3Ex"), []);
  assert.deepEqual(ips("m.is.ip=(("), []);
});

test("long tables come in pages, and a page beyond the last is the last", () => {
  const of = machines(MACHINES, 2);
  assert.deepEqual(ips("m.page=2", of), ["10.0.0.1"]);
  assert.deepEqual(ips("m.page=9", of), ["10.0.0.1"]);
  assert.equal(of.select(new URLSearchParams()).pages, 2);
  assert.match(tableSection(of, new URLSearchParams("o.sort=x"), "/").text, /\?o\.sort=x&amp;m\.page=2#m/);
});

test("a single row has nothing to filter, unless a filter left it alone", () => {
  const filters = (rows: readonly Machine[], query = "") =>
    tableSection(machines(rows), new URLSearchParams(query), "/").text.match(/placeholder="filter"/g)?.length;
  assert.equal(filters(MACHINES.slice(0, 1)), undefined);
  assert.equal(filters(MACHINES.slice(0, 1), "m.is.ip=9"), 3);
  assert.equal(filters(MACHINES, "m.is.ip=0.9"), 3);
});

test("links and forms keep how other tables are seen, and begin again at the first page", () => {
  const { text } = tableSection(machines(), new URLSearchParams("o.sort=x&m.page=1&m.sort=ip"), "/nodes");
  assert.match(text, /href="\/nodes\?o\.sort=x&amp;m\.sort=-ip#m"/);
  assert.match(text, /<input type="hidden" name="o\.sort" value="x">/);
  assert.match(text, /aria-sort="ascending"/);
  assert.ok(!text.includes('name="m.page"'));
});

test("whatever is put into markup is text, wherever it stands", () => {
  const evil = `"><script>alert('1')</script>&\u202e\u0007`;
  const safe = "&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;\ufffd\ufffd";
  assert.equal(
    html`<p title="${evil}">${evil} ${3} ${undefined} ${[html`<i>${evil}</i>`]}</p>`.text,
    `<p title="${safe}">${safe} 3  <i>${safe}</i></p>`,
  );
  const { text } = tableSection(machines([{ ip: evil }]), new URLSearchParams({ "m.is.ip": evil }), "/");
  assert.ok(!text.includes("<script>") && text.includes(safe));
});

test("a name is one part of a path, whatever it is", () => {
  for (const name of ["a/b", "x.json", "?q#f", "ä %2e"]) {
    const { pathname } = new URL(`/sites/${pathPart(name)}`, "http://here");
    assert.equal(decodeURIComponent(pathname.split("/")[2]!), name);
    assert.ok(!pathname.endsWith(".json"));
  }
});
