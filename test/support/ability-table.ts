import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import type { EngineStatement } from "#services/node-manager/backends/backend.ts";
import { ABILITIES } from "#shared/model/ability.ts";

const GUIDE = new URL("../../docs/guides/engines.md", import.meta.url);

/** Fails unless the operators' guide says of this engine what the engine says of itself. */
export async function assertGuideAgrees({ engine, abilities }: EngineStatement): Promise<void> {
  const [header, ...rows] = (await readFile(GUIDE, "utf8"))
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) => line.split("|").map((cell) => cell.trim()));
  const column = header!.indexOf(engine);
  assert.ok(column > 0, `the guide has a column for ${engine}`);
  const said = new Map(rows.map((cells) => [cells[1]!.replaceAll("`", ""), cells[column]!]));
  assert.deepEqual([...said.keys()], [...ABILITIES], "the guide has a line for every ability");
  for (const ability of ABILITIES) {
    const fitting = abilities.includes(ability) ? ["yes", "perhaps"] : ["no", "perhaps"];
    const word = said.get(ability)!;
    assert.ok(fitting.includes(word), `the guide says "${word}" of ${engine} and ${ability}`);
  }
}
