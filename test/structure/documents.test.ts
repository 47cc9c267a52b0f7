import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { ROOT, type Source, sources } from "./source.ts";

const DOCUMENTS = sources(/\.md$/);
const SCRIPTS: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(join(ROOT, "package.json"), "utf8"),
).scripts;

/** What npm runs without `run`, other than scripts. */
const NPM = new Set(["ci", "install", "rebuild", "run", "exec"]);

function claims(pattern: RegExp, isTrue: (what: string, document: Source) => boolean): string[] {
  return DOCUMENTS.flatMap((document) =>
    [...document.text.matchAll(pattern)]
      .map(([, what]) => what as string)
      .filter((what) => !isTrue(what, document))
      .map((what) => `${document.path}: ${what}`),
  );
}

function exists(path: string): boolean {
  return existsSync(join(ROOT, path));
}

test("links between documents lead somewhere", () => {
  const link = /\]\((?!\w+:|#)([^)#\s]+)[^)]*\)/g;
  assert.deepEqual(
    claims(link, (target, { path }) => exists(normalize(join(dirname(path), target)))),
    [],
  );
});

test("files and folders that documents name exist", () => {
  const named =
    /`((?:bench|bin|docs|examples|migrations|packaging|services|shared|test|testbed)\/[^`\s<>*…{}]+)`/g;
  assert.deepEqual(
    claims(named, (path) => exists(path.replace(/:\d+$/, ""))),
    [],
  );
});

test("every guide and reference is in the index", () => {
  const index = DOCUMENTS.find(({ path }) => path === "docs/README.md")?.text ?? "";
  const pages = DOCUMENTS.map(({ path }) => /^docs\/((?:guides|reference)\/.*)/.exec(path)?.[1]);
  assert.deepEqual(
    pages.filter((page) => page !== undefined && !index.includes(`](${page})`)),
    [],
  );
});

test("npm scripts that documents name exist", () => {
  assert.deepEqual(
    claims(/\bnpm run ([\w:-]+)/g, (script) => script in SCRIPTS),
    [],
  );
  assert.deepEqual(
    claims(/^\s*(?:.*&& )?npm ([a-z]+)\b/gm, (command) => NPM.has(command) || command in SCRIPTS),
    [],
  );
});

test("files that scripts run exist", () => {
  const missing = Object.entries(SCRIPTS).flatMap(([name, command]) =>
    [...command.matchAll(/\bnode (?:--\S+ )*([\w./-]+\.ts)/g)]
      .filter(([, file]) => !exists(file as string))
      .map(([, file]) => `${name}: ${file}`),
  );
  assert.deepEqual(missing, []);
});

test("no file names a package registry or a place on somebody's machine", () => {
  const registry = /\bregistry\.[a-z0-9-]+\.[a-z]|\bnpmjs\.(com|org)|\bpypi\.org|"resolved": "https?:\/\//;
  const repository = ROOT.replace(/\/$/, "");
  const places = [repository, join(dirname(repository), "shared"), homedir()].filter(
    (place) => place.split("/").length > 2 && place !== tmpdir(),
  );
  const found = sources(/(\.(ts|md|json|toml|xml|py|sh|sql|yml|yaml)|^[^.]*)$/).flatMap(({ path, text }) => [
    ...places.filter((place) => text.includes(place)).map((place) => `${path}: ${place}`),
    ...(registry.exec(text)?.slice(0, 1) ?? []).map((name) => `${path}: ${name}`),
  ]);
  assert.deepEqual(found, []);
});

test("the lock file has every optional package of every platform, without which npm ci refuses it", () => {
  const { packages } = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8"));
  const missing = Object.values<{ optionalDependencies?: Record<string, string> }>(packages)
    .flatMap(({ optionalDependencies }) => Object.keys(optionalDependencies ?? {}))
    .filter((name) => !(`node_modules/${name}` in packages));
  assert.deepEqual(missing, []);
});

test("a migration that has landed never changes, and every one is in the list", () => {
  const listed = readFileSync(join(ROOT, "migrations/SHA256SUMS"), "utf8");
  const actual = sources(/^migrations\/.*\.sql$/).map(({ path, text }) => {
    const sum = createHash("sha256").update(text).digest("hex");
    return `${sum}  ${path.replace("migrations/", "")}`;
  });
  assert.deepEqual(listed.trim().split("\n").filter(Boolean).sort(), actual.sort());
});
