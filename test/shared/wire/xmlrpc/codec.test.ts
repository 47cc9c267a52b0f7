import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "#shared/model/errors.ts";
import { decodeCall, decodeResponse } from "#shared/wire/xmlrpc/decode.ts";
import { canonicalBytes, encodeCall, encodeFault, encodeResponse } from "#shared/wire/xmlrpc/encode.ts";
import { REPLY_LIMITS, type Value } from "#shared/wire/xmlrpc/value.ts";
import { read, refused, refusesValue, text, value } from "./codec-values.ts";

/** The same tree with every struct as it is read: without a prototype. */
function asRead(v: Value): Value {
  if (Array.isArray(v)) return v.map(asRead);
  if (typeof v !== "object" || v === null || Buffer.isBuffer(v) || v instanceof Date) return v;
  const struct = Object.create(null);
  for (const [name, member] of Object.entries(v)) struct[name] = asRead(member);
  return struct;
}

test("whatever can be written is read back the same", () => {
  fc.assert(
    fc.property(text, fc.array(value, { maxLength: 3 }), (method, params) => {
      assert.deepEqual(decodeCall(encodeCall(method, params)), { method, params: params.map(asRead) });
      assert.deepEqual(decodeResponse(encodeResponse(params)), { value: params.map(asRead) });
    }),
    { numRuns: 1000 },
  );
});

test("each type is read by its own exact rule", () => {
  const ok: [string, unknown][] = [
    ["<value><int>-12</int></value>", -12],
    ["<value><i4>+7</i4></value>", 7],
    ["<value><i4>-2147483648</i4></value>", -2147483648],
    ["<value><i8>9007199254740991</i8></value>", 9007199254740991],
    ["<value><int>-0</int></value>", 0],
    ["<value><boolean>1</boolean></value>", true],
    ["<value><double>-1.5</double></value>", -1.5],
    ["<value><double>1e-05</double></value>", 1e-5],
    ["<value><double>.5</double></value>", 0.5],
    ["<value><dateTime.iso8601>20260101T00:00:00</dateTime.iso8601></value>", new Date("2026-01-01")],
    ["<value><dateTime.iso8601>2026-01-01T00:00:00Z</dateTime.iso8601></value>", new Date("2026-01-01")],
    ["<value><base64>aGVs\n bG8=\n</base64></value>", Buffer.from("hello")],
    ["<value><string> a\tb </string></value>", " a\tb "],
    ["<value><string/></value>", ""],
    ["<value>untyped &lt;&#10;</value>", "untyped <\n"],
    ["<value/>", ""],
    ["<value>\n <nil/> \n</value>", null],
    ["<value><array><data/></array></value>", []],
  ];
  for (const [xml, expected] of ok) assert.deepEqual(read(xml), expected, xml);
});

test("anything inexact in a scalar is refused", () => {
  const scalars: Record<string, string[]> = {
    int: ["", "12abc", " 1", "1.0", "0x10", "1e3", "2147483648", "-2147483649", "٣", "9".repeat(21), "--1"],
    i8: ["9007199254740992", "-9007199254740992", "9".repeat(100_000), ""],
    boolean: ["", "true", "2", " 1", "01"],
    double: ["", "NaN", "Infinity", "-inf", "1e999", "1,5", ".", "1.5abc", `1${"0".repeat(500)}`],
    "dateTime.iso8601": [
      "",
      "2026",
      "20260230T00:00:00",
      "20261301T00:00:00",
      "20260101T24:00:00",
      "2026-0101T00:00:00",
      "20260101T00:00:00+02:00",
      "20260101T00:00:60",
    ],
    base64: ["aGVsbG8", "aGVsbG9=", "aGVs-bG8=", "aGVsbG8==", "!!!!", "aGVsbG8=aGVsbG8=", "\u00a0aGVs"],
    nil: ["x", " "],
  };
  for (const [element, texts] of Object.entries(scalars)) {
    for (const bad of texts) refusesValue(`<value><${element}>${bad}</${element}></value>`);
  }
});

test("what XML-RPC cannot carry is refused when it is written", () => {
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  const bad: [unknown, string][] = [
    ["\0", "MALFORMED"],
    ["a\u001Bb", "MALFORMED"],
    ["\uD800", "MALFORMED"],
    ["\uFFFF", "MALFORMED"],
    [{ "\u0001": 1 }, "MALFORMED"],
    [Number.NaN, "MALFORMED"],
    [Number.POSITIVE_INFINITY, "MALFORMED"],
    [new Date(Number.NaN), "MALFORMED"],
    [new Date(1), "MALFORMED"],
    [new Date("+010000-01-01T00:00:00Z"), "MALFORMED"],
    [undefined, "MALFORMED"],
    [[undefined], "MALFORMED"],
    [10n, "MALFORMED"],
    [() => 1, "MALFORMED"],
    [cyclic, "TOO_LARGE"],
  ];
  for (const [value, name] of bad) {
    assert.throws(() => encodeCall("m", [value]), refused(name));
    assert.throws(() => encodeResponse(value), TypeError); // a server's own mistake is no fault of its caller
  }
});

test("numbers are written without exponent and integers as int or i8", () => {
  const written = (n: number) => /<value>(.*)<\/value>/.exec(encodeResponse(n).toString())?.[1];
  assert.equal(written(2 ** 31 - 1), "<int>2147483647</int>");
  assert.equal(written(-(2 ** 31)), "<int>-2147483648</int>");
  assert.equal(written(2 ** 31), "<i8>2147483648</i8>");
  assert.equal(written(-0), "<int>0</int>");
  assert.equal(written(1e21), "<double>1000000000000000000000</double>");
  assert.equal(written(-1.25e-7), "<double>-0.000000125</double>");
  assert.equal(written(1.5e300), `<double>15${"0".repeat(299)}</double>`);
});

test("a member that is undefined is left out", () => {
  assert.deepEqual(
    { ...(decodeResponse(encodeResponse({ a: 1, b: undefined })) as { value: object }).value },
    { a: 1 },
  );
});

test("a fault is read with its number and text as they are, known or not", () => {
  const fault = new Fault("SLICE_EXISTS", "slice already exists; choose another name");
  assert.deepEqual(decodeResponse(encodeFault(fault)), {
    fault: { code: 501, text: "SLICE_EXISTS: slice already exists; choose another name" },
  });
  assert.deepEqual(decodeResponse(encodeFault({ code: 4711, message: "a\0b\uD800<" })), {
    fault: { code: 4711, text: "a\uFFFDb\uFFFD<" },
  });
});

test("an answer that is neither one value nor one fault is refused", () => {
  const member = (name: string, value: string) =>
    `<member><name>${name}</name><value>${value}</value></member>`;
  const fault = (members: string) =>
    `<methodResponse><fault><value><struct>${members}</struct></value></fault></methodResponse>`;
  const bad = [
    "<methodResponse/>",
    "<methodResponse><params/></methodResponse>",
    "<methodResponse><params><param><value/></param><param><value/></param></params></methodResponse>",
    "<methodResponse><fault><value/></fault></methodResponse>",
    fault(member("faultCode", "<int>1</int>")),
    fault(member("faultCode", "one") + member("faultString", "x")),
    fault(member("faultCode", "<int>1</int>") + member("faultString", "x") + member("more", "x")),
    `${fault(member("faultCode", "<int>1</int>") + member("faultString", "x"))}<params/>`,
  ];
  for (const body of bad) assert.throws(() => decodeResponse(Buffer.from(body)), refused("MALFORMED"), body);
});

test("a reply may be larger than a request, and no larger than its own limit", () => {
  const ips = Array.from({ length: 100_000 }, (_, i) => `10.0.0.${i}`);
  assert.equal((decodeResponse(encodeResponse(ips)) as { value: string[] }).value.length, 100_000);
  assert.throws(() => decodeResponse(Buffer.alloc(REPLY_LIMITS.maxBytes + 1, " ")), refused("TOO_LARGE"));
});

test("arguments are compared by their values, whatever the order of their members", () => {
  const a = canonicalBytes({ slice: "x", nested: { b: 2, a: [1, { z: 0, y: 1 }] } });
  const b = canonicalBytes({ nested: { a: [1, { y: 1, z: 0 }], b: 2 }, slice: "x" });
  assert.deepEqual(a, b);
  assert.notDeepEqual(a, canonicalBytes({ slice: "x", nested: { b: 2, a: [1, { z: 1, y: 0 }] } }));
});
