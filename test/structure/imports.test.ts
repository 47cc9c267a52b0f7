import assert from "node:assert/strict";
import { test } from "node:test";
import { type Import, importsOf, typescript } from "./source.ts";

/**
 * What each part may import of ours (DESIGN, "Where things live"): model ← identity ← wire ← web ← services ← testbed ← test.
 * A part is the first of these that a path begins with.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "shared/model/": ["shared/model/"],
  "shared/identity/": ["shared/identity/", "shared/model/"],
  "shared/wire/": [
    "shared/wire/",
    "shared/identity/",
    "shared/model/",
    "shared/runtime/request-context.ts", // the id that goes along with every call
  ],
  "shared/web/": ["shared/"],
  "shared/runtime/": ["shared/runtime/", "shared/model/errors.ts"],
  "services/service-manager/": [
    "shared/",
    "services/service-manager/",
    // Written in the paper: the service manager embeds the broker's matching and acquisition.
    "services/broker/acquisition/",
    "services/broker/matching/",
  ],
  "testbed/": ["shared/", "services/", "testbed/"],
  "packaging/": ["shared/", "services/", "packaging/"],
  "test/": ["shared/", "services/", "testbed/", "packaging/", "test/"],
  "bench/": ["shared/", "services/", "testbed/", "test/", "bench/"],
  "examples/": [],
};

const FILES = typescript("shared", "services", "testbed", "packaging", "test", "bench", "examples");
const IMPORTS = FILES.flatMap(importsOf);
/** Imports of our code. What package.json says of all of it, its version, anybody may read. */
const OURS = IMPORTS.filter(
  (one): one is Import & { target: string } => one.target !== undefined && one.target !== "package.json",
);

function allowed(path: string): readonly string[] {
  const part = Object.keys(MAY_IMPORT).find((prefix) => path.startsWith(prefix));
  if (part) return MAY_IMPORT[part]!;
  const service = /^services\/[^/]+\//.exec(path)?.[0];
  assert.ok(service, `${path} is in no part of the design`);
  return ["shared/", service];
}

function none(offenders: readonly Import[]): void {
  assert.deepEqual(
    offenders.map(({ from, specifier }) => `${from} imports ${specifier}`),
    [],
  );
}

test("imports are seen in all their forms", () => {
  const text = `
import "#shared/a.ts";
import { x } from "./b.ts";
import type { Y } from "../c.ts";
import {
  z,
} from "#services/d.ts";
export { w } from './e.ts';
export * from "node:fs";
const late = await import("./f.ts");
const text = 'imported from "elsewhere"';`;
  const specifiers = importsOf({ path: "test/x/y.ts", text }).map(
    ({ target, specifier }) => target ?? specifier,
  );
  const seen = [
    "shared/a.ts",
    "test/x/b.ts",
    "test/c.ts",
    "services/d.ts",
    "test/x/e.ts",
    "node:fs",
    "test/x/f.ts",
  ];
  assert.deepEqual(specifiers, seen);
});

test("imports point one way, and services do not know each other", () => {
  none(OURS.filter(({ from, target }) => !allowed(from).some((prefix) => target.startsWith(prefix))));
});

test("the model is pure: it imports nothing but itself", () => {
  none(IMPORTS.filter(({ from, target }) => from.startsWith("shared/model/") && target === undefined));
});

test("relative imports stay within their top folder, and all name their file with its extension", () => {
  const top = (path: string) => path.split("/")[0];
  none(OURS.filter(({ from, specifier, target }) => specifier.startsWith(".") && top(from) !== top(target)));
  none(OURS.filter(({ target }) => !/\.(ts|json)$/.test(target)));
});

test("nothing that runs is imported in circles", () => {
  const running = OURS.filter(({ typeOnly }) => !typeOnly);
  const graph = Map.groupBy(running, ({ from }) => from);
  const done = new Set<string>();
  function visit(path: string, above: readonly string[]): void {
    assert.ok(!above.includes(path), `a circle: ${[...above.slice(above.indexOf(path)), path].join(" → ")}`);
    if (done.has(path)) return;
    for (const { target } of graph.get(path) ?? []) visit(target, [...above, path]);
    done.add(path);
  }
  for (const { path } of FILES) visit(path, []);
});

test("inside a service: main → service (or what it listens with) → api and jobs → use cases → store", () => {
  const services = OURS.filter(({ from }) => from.startsWith("services/"));
  const importers = (file: RegExp, by: RegExp) =>
    services.filter(({ from, target }) => file.test(target) && !by.test(from));
  none(importers(/^services\/[^/]+\/main\.ts$/, /^$/));
  none(importers(/^services\/[^/]+\/service\.ts$/, /^services\/[^/]+\/(main|commands)\.ts$/));
  none(importers(/^services\/[^/]+\/(api|jobs)\.ts$/, /^services\/[^/]+\/(service|listening)\.ts$/));
});

test("only the tests know the tests, and only a service's own files its store", () => {
  none(OURS.filter(({ from, target }) => target.startsWith("test/") && !/^(test|bench)\//.test(from)));
  const store = /^services\/([^/]+)\/store(\.ts|\/)/;
  none(
    OURS.filter(({ from, target }) => {
      const service = store.exec(target)?.[1];
      return service !== undefined && !from.startsWith(`services/${service}/`) && !from.startsWith("test/");
    }),
  );
});
