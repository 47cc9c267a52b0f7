import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { z } from "zod";
import { configurationText } from "#packaging/configuration.ts";
import { CONFIGURATIONS } from "#packaging/configurations.ts";
import { loadConfig } from "#shared/runtime/config.ts";
import { optionsOf } from "#shared/runtime/config-options.ts";
import { temporaryDirectory } from "#test/support/directory.ts";

/** The file as somebody would have it who took the sign away from every option. */
function allInEffect(text: string): string {
  return text.replaceAll(/^#(?=[\w[])/gm, "");
}

for (const [name, configuration] of Object.entries(CONFIGURATIONS)) {
  test(`${name} is a configuration as it stands, and with every option in effect`, async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, name);
    const text = configurationText(configuration);
    for (const [version, options] of [
      [text, optionsOf(configuration.schema).filter(({ schema }) => schema.default !== undefined)],
      [allInEffect(text), optionsOf(configuration.schema)],
    ] as const) {
      await writeFile(file, version);
      const read = loadConfig(configuration.schema, { file });
      for (const { path } of options) assert.notEqual(valueAt(read, path), undefined, path);
    }
  });

  test(`what ${name} shows as the usual is what there is without it`, async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, name);
    await writeFile(file, configurationText(configuration));
    const usual = loadConfig(configuration.schema, { file });
    await writeFile(file, allInEffect(configurationText(configuration)));
    const stated = loadConfig(configuration.schema, { file });
    for (const { path, schema } of optionsOf(configuration.schema)) {
      if (schema.default === undefined || Array.isArray(schema.default)) continue;
      if (path in configuration.examples) continue;
      assert.deepEqual(valueAt(stated, path), valueAt(usual, path), path);
    }
  });
}

function valueAt(tree: unknown, path: string): unknown {
  return path
    .split(".")
    .reduce<unknown>((inner, name) => (inner as Record<string, unknown> | undefined)?.[name], tree);
}

test("an option that would leave its reader alone makes no file", () => {
  const made = (schema: z.ZodType) => () =>
    configurationText({ heading: [], schema: z.strictObject({ port: schema }), examples: {} });
  assert.throws(made(z.int().describe("where calls are taken")), /port has no default/);
  assert.throws(made(z.int().default(1)), /port does not say what it means/);
});
