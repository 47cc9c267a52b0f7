import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { writeSliceDescription } from "#shared/wire/slice-description.ts";
import { descriptionOf, outcomeOf, readGuide } from "./descriptions-guide.ts";

const { examples, ads } = readGuide();
/** A vector with every element there is. */
const FULL = new URL("../../../vectors/descriptions/valid/full.txt", import.meta.url);

const tagsIn = (xml: string) => new Set([...xml.matchAll(/<([a-z_]+)/g)].map(([, name]) => name!));

test("every example of the guide to descriptions is one, and gets what the guide says", () => {
  assert.ok(examples.length > 20 && ads.length === 9);
  const outcomes = examples.map((example) => ({
    xml: example.xml,
    said: outcomeOf(descriptionOf(example), ads),
  }));
  assert.deepEqual(outcomes, examples);
});

test("the guide has an example of every element a description may hold", () => {
  const shown = tagsIn(examples.map(({ xml }) => xml).join("\n"));
  const all = tagsIn(readFileSync(FULL, "utf8"));
  assert.deepEqual(
    [...all].filter((name) => !shown.has(name)),
    [],
  );
});

test("what examples say is what is written from them again", () => {
  for (const example of examples) {
    const description = descriptionOf(example);
    const again = { ...example, xml: writeSliceDescription(description) };
    assert.deepEqual(descriptionOf(again), description, example.xml);
  }
});
