import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "#shared/model/errors.ts";
import { type DumpLimits, readDump } from "#shared/wire/ganglia/dump-reader.ts";
import { dumpText } from "#shared/wire/ganglia/dump-writer.ts";
import type { DumpHost } from "#shared/wire/ganglia/host.ts";
import { host } from "./arbitrary-metrics.ts";

const CLUSTER = `princeton & "co" <é>`;
const FRAME = { version: "1", cluster: CLUSTER, owner: "o", latlong: "", url: "", localtime: 5 };

async function* pieces(text: string, size: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text, "latin1");
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(text: string, size = 1000, limits: Partial<DumpLimits> = {}): Promise<DumpHost[]> {
  const hosts: DumpHost[] = [];
  for await (const host of readDump(pieces(text, size), limits)) hosts.push(host);
  return hosts;
}

function written(hosts: readonly DumpHost[]): string {
  return [...dumpText(FRAME, hosts)].join("");
}

function around(content: string): string {
  return `<?xml version="1.0" encoding="ISO-8859-1"?>\n<GANGLIA_XML VERSION="3" SOURCE="gmetad">${content}</GANGLIA_XML>`;
}

test("a dump is read as it was written, in pieces of any size", async () => {
  const many = fc.array(host(CLUSTER), { maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(many, fc.integer({ min: 1, max: 5000 }), async (hosts, size) => {
      assert.deepEqual(await read(written(hosts), size), hosts);
    }),
  );
});

test("a dump is ASCII, whatever hosts say of themselves", () => {
  fc.assert(
    fc.property(host(CLUSTER), (host) => {
      assert.match(written([host]), /^[\n -~]*$/);
    }),
  );
});

test("a gmetad's grids are read through, its summaries passed over", async () => {
  const text = around(
    `<GRID NAME="g" AUTHORITY="a" LOCALTIME="1"><CLUSTER NAME="c" LOCALTIME="1">` +
      `<HOSTS UP="1" DOWN="0" SOURCE="gmetad"/><METRICS NAME="x" SUM="1" NUM="1" TYPE="float"><EXTRA_DATA>` +
      `<EXTRA_ELEMENT NAME="GROUP" VAL="g"/></EXTRA_DATA></METRICS>` +
      `<HOST NAME="h" IP="10.0.0.1" REPORTED="7" TN="-1"><METRIC NAME="m" VAL="1" TYPE="float"/></HOST></CLUSTER></GRID>`,
  );
  const [only] = await read(text);
  assert.equal(only?.cluster, "c");
  assert.deepEqual([only?.name, only?.tn, only?.metrics.length], ["h", 0, 1]);
});

test("hosts before the place where a dump breaks off are given", async () => {
  const hosts = fc.sample(host(CLUSTER), 2);
  const text = written(hosts).slice(0, -60);
  const seen: DumpHost[] = [];
  await assert.rejects(
    async () => {
      for await (const one of readDump(pieces(text, 100))) seen.push(one);
    },
    { name: "MALFORMED" },
  );
  assert.deepEqual(seen[0], hosts[0]);
});

test("hostile dumps are refused by a fault", async () => {
  const bomb = `<?xml version="1.0"?><!DOCTYPE GANGLIA_XML [<!ENTITY a "aaaa">]><GANGLIA_XML VERSION="&a;"/>`;
  const external = `<?xml version="1.0"?><!DOCTYPE x SYSTEM "file:///etc/passwd" [<!ENTITY b SYSTEM "file:///etc/passwd">]><GANGLIA_XML><HOST NAME="&b;" IP="1"/></GANGLIA_XML>`;
  const malformed = [
    "",
    "not XML at all",
    "<html></html>",
    bomb,
    external,
    around(`<METRIC NAME="m" VAL="1" TYPE="float"/>`),
    around(`<HOST NAME="h" IP="1"><HOST NAME="i" IP="1"/></HOST>`),
    around(`<HOST NAME="h"/>`),
    around(`<HOST NAME="h" IP="1" TN="1e9"/>`),
    around(`<HOST NAME="h" IP="1"><METRIC NAME="m" VAL="1" TYPE="complex"/></HOST>`),
    `<?xml version="1.0" encoding="UTF-16"?><GANGLIA_XML/>`,
  ];
  for (const text of malformed) await assert.rejects(read(text), { name: "MALFORMED" }, text);
  const metric = `<METRIC NAME="m" VAL="1" TYPE="float"/>`;
  const large = [
    around(`<HOST NAME="${"x".repeat(200_000)}" IP="1"/>`),
    around("<A>".repeat(100)),
    around(`<HOST NAME="h" IP="1">${metric.repeat(6)}</HOST>`),
    around(" ".repeat(200_000)),
    `<!DOCTYPE GANGLIA_XML [${" ".repeat(200_000)}`,
  ];
  for (const text of large) {
    await assert.rejects(read(text, 1000, { maxMetricsOfHost: 5 }), { name: "TOO_LARGE" }, text.slice(0, 60));
  }
  await assert.rejects(read(written([]), 1000, { maxBytes: 1000 }), { name: "TOO_LARGE" });
  // What is kept in memory until its host is whole, however little is wrong with each metric by itself.
  const long = `<METRIC NAME="m" VAL="${"x".repeat(50_000)}" TYPE="string"/>`;
  await assert.rejects(read(around(`<HOST NAME="h" IP="1">${long.repeat(200)}</HOST>`), 65_536), {
    name: "TOO_LARGE",
    message: /a host of the dump is longer than/,
  });
  assert.equal((await read(around(`<HOST NAME="h" IP="1">${long}</HOST>`.repeat(200)), 65_536)).length, 200);
});

test("a dump changed anywhere is read or refused, never anything else", async () => {
  const text = written(fc.sample(host(CLUSTER), 1));
  const bytes = fc.tuple(fc.nat({ max: text.length - 1 }), fc.constantFrom("<", "&", '"', "\u0000", "x"));
  await fc.assert(
    fc.asyncProperty(bytes, async ([at, byte]) => {
      try {
        await read(text.slice(0, at) + byte + text.slice(at + 1));
      } catch (error) {
        assert.ok(error instanceof Fault, String(error));
      }
    }),
  );
});
