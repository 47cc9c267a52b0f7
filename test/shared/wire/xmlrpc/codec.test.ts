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
import { canonicalBytes, encodeCall, encodeFault, encodeResponse } from "#shared/wire/xmlrpc/encode.ts";
import { REPLY_LIMITS, REQUEST_LIMITS, type Value } from "#shared/wire/xmlrpc/value.ts";

const callOf = (value: string) =>
  Buffer.from(`<methodCall><methodName>m</methodName><params><param>${value}</param></params></methodCall>`);
const read = (value: string) => decodeCall(callOf(value)).params[0];
const refused = (name: string) => (error: unknown) => error instanceof Fault && error.name === name;
const refuses = (body: string | Buffer, name = "MALFORMED") =>
  assert.throws(() => decodeCall(Buffer.from(body as string)), refused(name), String(body).slice(0, 200));
const refusesValue = (value: string, name = "MALFORMED") => refuses(callOf(value), name);

/** A string XML can carry: no controls, no lone surrogates, no non-characters at the end of the plane. */
const text = fc
  .string({ unit: "binary" })
  .map((s) => s.toWellFormed().replace(/[\0-\x08\x0B\x0C\x0E-\x1F\uFFFE\uFFFF]/g, "\r"));
const wholeSecond = fc
  .integer({ min: Date.parse("0000-01-01T00:00:00Z") / 1000, max: Date.parse("9999-12-31T23:59:59Z") / 1000 })
  .map((seconds) => new Date(seconds * 1000));
const number = fc
  .oneof(fc.integer(), fc.maxSafeInteger(), fc.double({ noNaN: true, noDefaultInfinity: true }))
  .map((n) => (n === 0 ? 0 : n));
const bytes = fc.uint8Array().map((b) => Buffer.from(b));
const { value } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, depthSize: "small" },
    text,
    number,
    fc.boolean(),
    fc.constant(null),
    wholeSecond,
    bytes,
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(fc.oneof(text, fc.constant("__proto__")), tie("value"), {
      maxKeys: 5,
      noNullPrototype: false,
    }),
  ),
}));

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

test("every message that is cut off, and every one that goes on after its end, is refused", () => {
  const body = encodeCall("m", [{ a: [1, "two", null] }]);
  for (const more of ["x", "<a/>", "</methodCall>", "<!-- x -->", String(body)]) refuses(body + more);
  assert.throws(() => decodeResponse(Buffer.from(`${encodeResponse(1)}<a/>`)), refused("MALFORMED"));
  for (let length = 0; length < body.length; length++) refuses(body.subarray(0, length));
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

test("structure that is not XML-RPC is refused", () => {
  const values = [
    "<value><Int>1</Int></value>",
    "<value><float>1</float></value>",
    "<value><int>1</int><int>1</int></value>",
    "<value>x<int>1</int></value>",
    "<value><int>1</int>x</value>",
    "<value><string>a<b/></string></value>",
    '<value type="int">1</value>',
    '<value xml:space="preserve">1</value>',
    "<value><array></array></value>",
    "<value><array><data/><data/></array></value>",
    "<value><array><data>x</data></array></value>",
    "<value><array><data><int>1</int></data></array></value>",
    "<value><struct><member><name>a</name></member></struct></value>",
    "<value><struct><member><value/><name>a</name></member></struct></value>",
    "<value><struct><member><name>a</name><value/><value/></member></struct></value>",
    "<value><struct>x</struct></value>",
    "<value><struct><name>a</name><value/></struct></value>",
    "<value/><value/>",
    "",
    "x",
  ];
  for (const bad of values) refusesValue(bad);
  const bodies = [
    "",
    " ",
    "<methodCall/>",
    "<methodCall><params/></methodCall>",
    "<methodCall><params/><methodName>m</methodName></methodCall>",
    "<methodCall><methodName>m</methodName><params/><params/></methodCall>",
    "<methodCall><methodName>m</methodName>x</methodCall>",
    "<methodResponse><params><param><value/></param></params></methodResponse>",
    "<value/>",
    "<methodCall><methodName>m</methodName></methodCall><methodCall><methodName>m</methodName></methodCall>",
    "<methodCall><methodName>m</methodName></methodCall>x",
    "<methodCall><methodName>m</methodname></methodCall>",
  ];
  for (const bad of bodies) refuses(bad);
});

test("a member that is there twice is refused, however it is called", () => {
  for (const name of ["a", "__proto__", "constructor", ""]) {
    const member = `<member><name>${name}</name><value>x</value></member>`;
    refusesValue(`<value><struct>${member}${member}</struct></value>`);
  }
});

test("a member called __proto__ is a member and nothing else", () => {
  const evil = "<struct><member><name>polluted</name><value>yes</value></member></struct>";
  const struct = read(
    `<value><struct><member><name>__proto__</name><value>${evil}</value></member></struct></value>`,
  ) as Record<string, unknown>;
  assert.deepEqual(Object.keys(struct), ["__proto__"]);
  assert.equal(struct.polluted, undefined);
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
});

test("XML that is more than elements and text is refused", () => {
  const call = "<methodCall><methodName>m</methodName></methodCall>";
  const entities = '<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>';
  const bad = [
    `<!DOCTYPE methodCall>${call}`,
    `<!DOCTYPE m SYSTEM "file:///etc/passwd">${call}`,
    `${entities}<methodCall><methodName>&b;</methodName></methodCall>`,
    "<methodCall><methodName>&xxe;</methodName></methodCall>",
    `<!-- hello -->${call}`,
    `${call}<!-- hello -->`,
    `<?php x ?>${call}`,
    `<?xml version="1.0"?><?xml-stylesheet href="x"?>${call}`,
    ` <?xml version="1.0"?>${call}`,
    `<?xml version="1.1"?>${call}`,
    `<?xml version="1.0" encoding="ISO-8859-1"?>${call}`,
    `<?xml version="1.0" encoding="UTF-16"?>${call}`,
    `\uFEFF${call}`,
    Buffer.from(call, "utf16le"),
    Buffer.from(`\uFEFF${call}`, "utf16le"),
    Buffer.from([
      ...Buffer.from("<methodCall><methodName>"),
      0xff,
      ...Buffer.from("</methodName></methodCall>"),
    ]),
    "<methodCall><methodName>\0</methodName></methodCall>",
    "<methodCall><methodName>&#0;</methodName></methodCall>",
    "<methodCall><methodName>&#xD800;</methodName></methodCall>",
    "<methodCall><methodName>a]]>b</methodName></methodCall>",
    "<methodCall><methodName><![CDATA[m]]></methodName></methodCall>",
    "<methodCall><![CDATA[ ]]><methodName>m</methodName></methodCall>",
    "<methodCall><methodName>m</methodName><![CDATA[",
  ];
  for (const body of bad) refuses(body);
  refusesValue("<value><int><![CDATA[1]]></int></value>");
  refusesValue("<value><struct><member><name><![CDATA[a]]></name><value/></member></struct></value>");
  refusesValue("<value><![CDATA[ ]]><!-- c --></value>");
  refusesValue("<value><string><![CDATA[a]]><!-- c --></string></value>");
});

test("a string may stand in a CDATA section, as npm's xmlrpc writes every one with a < in it", () => {
  assert.equal(
    read("<value><string><![CDATA[<ticket>&amp;<!-- x -->]]></string></value>"),
    "<ticket>&amp;<!-- x -->",
  );
  assert.equal(read("<value><![CDATA[<?xml?><!DOCTYPE a>]]></value>"), "<?xml?><!DOCTYPE a>");
});

test("a million members, endless nesting and huge bodies are too large", () => {
  refusesValue(`<value><array><data>${"<value/>".repeat(20_000)}</data></array></value>`, "TOO_LARGE");
  const members = Array.from({ length: 20_000 }, (_, i) => `<member><name>${i}</name><value/></member>`);
  refusesValue(`<value><struct>${members.join("")}</struct></value>`, "TOO_LARGE");
  refuses(Buffer.alloc(REQUEST_LIMITS.maxBytes + 1, "<value/>"), "TOO_LARGE");
  refuses(encodeCall("m", ["x".repeat(REQUEST_LIMITS.maxBytes)]), "TOO_LARGE");
  const nested = (n: number) =>
    `${"<value><array><data>".repeat(n)}<value/>${"</data></array></value>".repeat(n)}`;
  const structs = (n: number) =>
    `${"<value><struct><member><name>a</name>".repeat(n)}<value/>${"</member></struct></value>".repeat(n)}`;
  assert.ok(read(nested(16)));
  assert.ok(read(structs(16)));
  refusesValue(nested(17), "TOO_LARGE");
  refusesValue(structs(17), "TOO_LARGE");
  refusesValue(nested(20_000), "TOO_LARGE");
});

test("values beside each other are not nested", () => {
  const siblings = `<value><array><data>${"<value><struct/></value>".repeat(100)}</data></array></value>`;
  assert.equal((read(siblings) as Value[]).length, 100);
});

test("no megabyte of any one piece of XML takes long to refuse", { timeout: 60_000 }, () => {
  for (const piece of ["<![CDATA[", "<value>", "<!", "&lt;", "<a ", "]]>", "<value><string>", "<?a "]) {
    try {
      decodeCall(callOf(`<value>${piece.repeat(1e6 / piece.length)}</value>`));
    } catch (error) {
      assert.ok(error instanceof Fault);
    }
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
