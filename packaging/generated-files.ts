import { readFileSync } from "node:fs";
import packageJson from "../package.json" with { type: "json" };
import { bashCompletion } from "./completion/bash.ts";
import { commandWords } from "./completion/command-words.ts";
import { fishCompletion } from "./completion/fish.ts";
import { zshCompletion } from "./completion/zsh.ts";
import { configurationText } from "./configuration.ts";
import { CONFIGURATIONS } from "./configurations.ts";
import { indexPage, manualPage, pageName } from "./manual.ts";
import { programs } from "./programs.ts";

/** Every file below packaging/ that is made from the code, by its path there: what `npm run packaging` writes. */
export function generatedFiles(): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const [name, configuration] of Object.entries(CONFIGURATIONS)) {
    files.set(`config/${name}`, configurationText(configuration));
  }
  const { version } = packageJson;
  const all = programs();
  const parts = slicelabParts();
  for (const program of all) files.set(`man/${pageName(program)}.1`, manualPage(program, all, version));
  files.set("man/slicelab.1", indexPage(parts, all, version));
  const words = commandWords(all, parts);
  files.set("completions/slicelab.bash", bashCompletion(words));
  files.set("completions/_slicelab", zshCompletion(words));
  files.set("completions/slicelab.fish", fishCompletion(words));
  return files;
}

/** The parts that bin/slicelab runs, each with what it does: its table is a shell's, `NAME PROGRAM WHAT IT DOES`. */
function slicelabParts(): ReadonlyMap<string, string> {
  const script = readFileSync(new URL("../bin/slicelab", import.meta.url), "utf8");
  const table = /^parts='([^']*)'/m.exec(script)?.[1] ?? "";
  return new Map(
    table.split("\n").map((line) => {
      const [name = "", , ...does] = line.split(" ");
      return [name, does.join(" ")];
    }),
  );
}
