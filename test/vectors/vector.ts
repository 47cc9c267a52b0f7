import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { FAULT_CODES, type FaultName } from "#shared/model/errors.ts";

/** One document that every reader must take, or must refuse with the named fault. */
export type Vector = {
  /** File name without ".txt": words with dashes. */
  readonly name: string;
  readonly text: string;
  /** What it shows, for people. */
  readonly why: string;
  /** The fault it must be refused with; absent: it must be taken. */
  readonly fault?: FaultName;
  /** What the reader knows besides the text: the key it trusts, the time, what it asks for. */
  readonly given?: Readonly<Record<string, string>>;
  /** SHA-256 of the body of a document that is taken. */
  readonly id?: string;
};

/** What expected.json says of one file. */
export type Expectation = Omit<Vector, "name" | "text"> & { readonly code?: number };

export const KINDS = ["headers", "tickets", "leases", "chains", "requests", "descriptions"] as const;
export type VectorKind = (typeof KINDS)[number];

const HERE = fileURLToPath(new URL(".", import.meta.url));

/** Files of one kind as they should be: path below `test/vectors` → content. */
export function filesOf(kind: VectorKind, vectors: readonly Vector[]): Map<string, string> {
  const files = new Map<string, string>();
  for (const side of ["valid", "invalid"]) {
    const here = vectors.filter((vector) => (vector.fault === undefined) === (side === "valid"));
    for (const vector of here) {
      const path = `${kind}/${side}/${vector.name}.txt`;
      if (files.has(path)) throw new TypeError(`two vectors are called ${vector.name}`);
      files.set(path, vector.text);
    }
    const expected = Object.fromEntries(here.map((vector) => [`${vector.name}.txt`, expectationOf(vector)]));
    files.set(`${kind}/${side}/expected.json`, `${JSON.stringify(expected, null, 2)}\n`);
  }
  return files;
}

function expectationOf({ name: _, text: __, fault, ...rest }: Vector): Expectation {
  return { ...(fault && { fault, code: FAULT_CODES[fault] }), ...rest };
}

/** Writes files below `test/vectors` and removes the vectors of these kinds that are no more. */
export function writeFiles(files: ReadonlyMap<string, string>): void {
  for (const kind of KINDS) rmSync(`${HERE}${kind}`, { recursive: true, force: true });
  for (const [path, content] of files) {
    mkdirSync(`${HERE}${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
    writeFileSync(`${HERE}${path}`, content);
  }
}

/** Paths of all files of a kind that are there, below `test/vectors`. */
export function pathsOf(kind: VectorKind): string[] {
  return readdirSync(`${HERE}${kind}`, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath.slice(HERE.length)}/${entry.name}`)
    .sort();
}

export function readVectorFile(path: string): string {
  return readFileSync(`${HERE}${path}`, "utf8");
}

/** The committed vectors of one side of a kind. */
export function readVectors(kind: VectorKind, side: "valid" | "invalid"): Vector[] {
  const expected: Record<string, Expectation> = JSON.parse(readVectorFile(`${kind}/${side}/expected.json`));
  return Object.entries(expected).map(([file, expectation]) => {
    return { name: file, text: readVectorFile(`${kind}/${side}/${file}`), ...expectation };
  });
}

/** `text` with exactly one change. Throws when there is nothing to change, so that no vector shows less than it says. */
export function edited(text: string, from: string | RegExp, to: string): string {
  const result = text.replace(from, () => to);
  if (result === text) throw new TypeError(`there is no ${from} to replace`);
  return result;
}
