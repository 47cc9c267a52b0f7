import assert from "node:assert/strict";
import { test } from "node:test";
import { type Column, jsonText, listingText, textTable } from "#shared/runtime/listing.ts";

type Node = { readonly name: string; readonly key: string; readonly heard: string | null };

const NODES: readonly Node[] = [
  { name: "planet1", key: "0123456789abcdef", heard: null },
  { name: "x\u001b[2Jy\u202e", key: "fedcba9876543210", heard: "2030-01-01 00:00:00" },
];
const COLUMNS: readonly Column<Node>[] = [
  { header: "NAME", value: ({ name }) => name },
  { header: "KEY", value: ({ key }) => key.slice(0, 4), narrow: true },
  { header: "KEY", value: ({ key }) => key, wide: true },
  { header: "HEARD", value: ({ heard }) => heard },
];

test("a table shows nothing as a dash, and nothing that a terminal obeys", () => {
  assert.equal(
    listingText("table", NODES, COLUMNS),
    "NAME     KEY   HEARD\nplanet1  0123  -\nx?[2Jy?  fedc  2030-01-01 00:00:00\n",
  );
  assert.match(listingText("wide", NODES, COLUMNS), /^planet1 +0123456789abcdef +-$/m);
  assert.equal(listingText("table", [], COLUMNS), "NAME  KEY  HEARD\n");
  assert.equal(textTable([]), "");
});

test("programs read the very values, and a terminal still obeys none of them", () => {
  const text = jsonText(NODES);
  assert.doesNotMatch(text, /[\u001b\u202e]/);
  assert.deepEqual(JSON.parse(text), NODES);
});
