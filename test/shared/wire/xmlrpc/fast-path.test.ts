import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "#shared/model/errors.ts";
import {
  decodeCall,
  decodeCallStrictly,
  decodeResponse,
  decodeResponseStrictly,
} from "#shared/wire/xmlrpc/decode.ts";
import { encodeCall, encodeResponse } from "#shared/wire/xmlrpc/encode.ts";
import { value } from "./codec-values.ts";

/** A body with one byte changed, dropped or put in. */
function altered(body: Buffer, at: number, byte: number, how: "change" | "drop" | "insert"): Buffer {
  const i = at % body.length;
  const rest = body.subarray(how === "insert" ? i : i + 1);
  return Buffer.concat([body.subarray(0, i), Buffer.from(how === "drop" ? [] : [byte]), rest]);
}

/** What reading gives: a value, or the name of the fault. */
function outcome(read: () => unknown): unknown {
  try {
    return { read: read() };
  } catch (error) {
    assert.ok(error instanceof Fault, String(error));
    return error.name;
  }
}

/** Bytes that mean something in XML, more often than others. */
const byte = fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from("<>/&;\"'!? \r\n\t\0]0-")));

const change = fc.constantFrom("change" as const, "drop" as const, "insert" as const);

test("any altered byte gives a value or a fault, and the same one with and without the fast path", () => {
  fc.assert(
    fc.property(value, fc.nat(), byte, change, (v, at, byte, how) => {
      const call = altered(encodeCall("m", [v]), at, byte, how);
      assert.deepEqual(
        outcome(() => decodeCall(call)),
        outcome(() => decodeCallStrictly(call)),
      );
      const reply = altered(encodeResponse(v), at, byte, how);
      assert.deepEqual(
        outcome(() => decodeResponse(reply)),
        outcome(() => decodeResponseStrictly(reply)),
      );
    }),
    { numRuns: 3000 },
  );
});

test("lists of structs that are alike, or not quite, are read the same with and without the fast path", () => {
  const one = fc.record(
    {
      a: fc.oneof(fc.string(), fc.constant("<&>")),
      b: fc.oneof(fc.nat(9), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(null)),
      ["__proto__"]: fc.constant(1),
      c: fc.array(fc.record({ d: fc.boolean(), a: fc.nat() }, { requiredKeys: [] }), { maxLength: 3 }),
    },
    { requiredKeys: ["a"] },
  );
  fc.assert(
    fc.property(fc.array(one), fc.nat(), byte, change, (list, at, byte, how) => {
      const whole = outcome(() => encodeResponse(list));
      const body = typeof whole === "string" ? Buffer.alloc(1) : (whole as { read: Buffer }).read;
      for (const reply of [body, altered(body, at, byte, how)]) {
        assert.deepEqual(
          outcome(() => decodeResponse(reply)),
          outcome(() => decodeResponseStrictly(reply)),
        );
      }
    }),
    { numRuns: 500 },
  );
  const twice = "<member><name>a</name><value><int>1</int></value></member>";
  const alike = encodeResponse([{ a: 1 }, { a: 1 }]).toString();
  const doubled = alike.replace(
    `${twice}</struct></value></data>`,
    `${twice}${twice}</struct></value></data>`,
  );
  assert.notEqual(doubled, alike);
  assert.throws(() => decodeResponse(Buffer.from(doubled)), { name: "MALFORMED" });
});

test("what is spelled otherwise than we do, or too much, is read the same without the fast path", () => {
  const texts = [
    "a&amp;b",
    "&#38;",
    "&apos;",
    "&bad;",
    "&amp",
    "a]]>b",
    "\r\n",
    "\t",
    "\u0085",
    "🐎",
    "&#xD;",
    ">",
    "\uFFFE",
  ];
  const values = [
    ...texts.map((text) => `<value><string>${text}</string></value>`),
    "<value>untyped</value>",
    "<value><string/></value>",
    "<value> <int>1</int></value>",
    "<value><int >1</int></value>",
    "<value><i4>1</i4></value>",
    "<value><nil></nil></value>",
    "<value><array><data></data></array></value>",
    `<value><array><data>${"<value><nil/></value>".repeat(20_001)}</data></array></value>`,
    `${"<value><array><data>".repeat(17)}${"</data></array></value>".repeat(17)}`,
    `${"<value><struct><member><name>a</name>".repeat(17)}<value><nil/></value>${"</member></struct></value>".repeat(17)}`,
    "<value><struct><member><name>a</name><value><nil/></value></member><member><name>a</name><value><nil/></value></member></struct></value>",
  ];
  for (const value of values) {
    const body = Buffer.from(encodeCall("m", [null]).toString().replace("<value><nil/></value>", value));
    assert.deepEqual(
      outcome(() => decodeCall(body)),
      outcome(() => decodeCallStrictly(body)),
      value.slice(0, 80),
    );
  }
});
