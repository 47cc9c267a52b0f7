import { globSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const FOLDERS = "bench,bin,docs,examples,migrations,packaging,services,shared,test,testbed";
const IMPORT =
  /(?:^|[\s;}])(?:import|export)\s*(type\s)?(?:[\w*{][^"'`;]*?\sfrom\s*)?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/g;
const MAPPED = /^#(shared|services|testbed|packaging|test)\//;

/** A file of the repository, by its path from the root. */
export type Source = { readonly path: string; readonly text: string };

/** One import as it is written; `target` is the path from the root of what it names, if that is a file of ours. */
export type Import = {
  readonly from: string;
  readonly specifier: string;
  readonly target?: string;
  /** `import type`: gone when the program runs. */
  readonly typeOnly: boolean;
};

/** Every file of the repository's folders whose name matches `pattern`, and those at its root. */
export function sources(pattern: RegExp): Source[] {
  return [...globSync("*", { cwd: ROOT }), ...globSync(`{${FOLDERS}}/**/*`, { cwd: ROOT })]
    .filter((path) => pattern.test(path) && statSync(join(ROOT, path)).isFile())
    .sort()
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));
}

/** The TypeScript below some top folders. */
export function typescript(...folders: string[]): Source[] {
  return sources(new RegExp(`^(${folders.join("|")})/.*\\.ts$`));
}

export function importsOf({ path, text }: Source): Import[] {
  return [...text.matchAll(IMPORT)].map(([, type, named, dynamic]) => {
    const specifier = (named ?? dynamic) as string;
    return { from: path, specifier, target: targetOf(path, specifier), typeOnly: type !== undefined };
  });
}

function targetOf(from: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return normalize(join(dirname(from), specifier));
  return MAPPED.test(specifier) ? specifier.slice(1) : undefined;
}

/** The lines of a file that are not comments, each with its number. Only whole-line comments are left out. */
function codeLines({ text }: Source): { readonly number: number; readonly line: string }[] {
  return text
    .split("\n")
    .map((line, index) => ({ number: index + 1, line }))
    .filter(({ line }) => !/^\s*(\/\/|\/\*|\*)/.test(line));
}

/** Every code line of `files` that matches, as "path:number: line". */
export function offences(files: readonly Source[], pattern: RegExp): string[] {
  return files.flatMap((file) =>
    codeLines(file)
      .filter(({ line }) => pattern.test(line))
      .map(({ number, line }) => `${file.path}:${number}: ${line.trim()}`),
  );
}
