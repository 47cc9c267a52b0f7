import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "#shared/model/errors.ts";
import { decodeCall, decodeResponse } from "#shared/wire/xmlrpc/decode.ts";
import { encodeCall, encodeResponse } from "#shared/wire/xmlrpc/encode.ts";
import { REQUEST_LIMITS, type Value } from "#shared/wire/xmlrpc/value.ts";
import { callOf, read, refused, refuses, refusesValue } from "./codec-values.ts";

test("every message that is cut off, and every one that goes on after its end, is refused", () => {
  const body = encodeCall("m", [{ a: [1, "two", null] }]);
  for (const more of ["x", "<a/>", "</methodCall>", "<!-- x -->", String(body)]) refuses(body + more);
  assert.throws(() => decodeResponse(Buffer.from(`${encodeResponse(1)}<a/>`)), refused("MALFORMED"));
  for (let length = 0; length < body.length; length++) refuses(body.subarray(0, length));
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
