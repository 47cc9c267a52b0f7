import assert from "node:assert/strict";
import { test } from "node:test";
import type { KeptProgram } from "#services/service-manager/journal/slice-record.ts";
import {
  belongingOn,
  handedOver,
  isOverruled,
  type Launching,
  owingNodes,
  withArrived,
  withLaunched,
  withoutMainStops,
  withStopped,
} from "#services/service-manager/programs/slice-programs.ts";
import type { Program } from "#shared/model/slice-description.ts";

const ALL = ["a", "b", "c"];
const DESCRIBED: Program = { files: [], env: [], command: "described", args: [], restart: "always" };

function launching(name: string, command = name): Launching {
  return { name, run: { env: [], command, args: [], restart: "always" }, files: [], at: 1 };
}

const launched = (programs: readonly KeptProgram[], name: string, command?: string, chosen?: string[]) =>
  withLaunched(programs, launching(name, command), { all: ALL, ...(chosen && { chosen }) });
const stopped = (programs: readonly KeptProgram[], name: string, chosen?: string[], described?: Program) =>
  withStopped(programs, { name, at: 2 }, described, { all: ALL, ...(chosen && { chosen }) });

/** What belongs on each node, by its command. */
function belonging(programs: readonly KeptProgram[], nodes = ALL): Record<string, string[]> {
  return Object.fromEntries(
    nodes.map((node) => [
      node,
      belongingOn(programs, node)
        .map(({ run }) => run.command)
        .sort(),
    ]),
  );
}

const repaired = (programs: readonly KeptProgram[], lost: string[], fresh: string[], leased: string[]) =>
  handedOver(programs, { leased, lost: new Set(lost), fresh });

test("what was launched everywhere belongs everywhere, on nodes that come later too", () => {
  const programs = launched(launched([], "main", "x"), "probe");
  assert.deepEqual(belonging(programs, ["a", "z"]), { a: ["probe", "x"], z: ["probe", "x"] });
  assert.deepEqual(belonging(launched(programs, "main", "y"), ["z"]), { z: ["probe", "y"] });
});

test("a node has one program of a name: what was said of it comes before what was said of all", () => {
  const programs = launched(launched([], "main", "x"), "main", "y", ["b"]);
  assert.deepEqual(belonging(programs), { a: ["x"], b: ["y"], c: ["x"] });
  assert.deepEqual(belonging(launched(programs, "main", "z", ["a", "b"])), { a: ["z"], b: ["z"], c: ["x"] });
  assert.deepEqual(belonging(launched(programs, "main", "x")), { a: ["x"], b: ["x"], c: ["x"] });
});

test("the same program launched on one node after the other is one", () => {
  const programs = launched(launched([], "probe", "p", ["a"]), "probe", "p", ["b"]);
  assert.equal(programs.length, 1);
  assert.deepEqual(programs[0]!.nodes, ["a", "b"]);
  assert.deepEqual(programs[0]!.others, ["c"]);
});

test("what is stopped belongs there no more, and nothing is kept of what belongs nowhere", () => {
  const programs = launched(launched([], "main", "x"), "probe", "p", ["a"]);
  assert.deepEqual(belonging(stopped(programs, "main", ["b"])), { a: ["p", "x"], b: [], c: ["x"] });
  assert.deepEqual(belonging(stopped(programs, "main")), { a: ["p"], b: [], c: [] });
  assert.deepEqual(stopped(stopped(programs, "main"), "probe", ["a"]), []);
});

test("a stop outlasts the description, until the slice is created again", () => {
  assert.equal(isOverruled([], "a"), false);
  const everywhere = stopped([], "main", undefined, DESCRIBED);
  assert.deepEqual([isOverruled(everywhere, "a"), isOverruled(everywhere, "z")], [true, true]);
  const onOne = stopped([], "main", ["a"], DESCRIBED);
  assert.deepEqual([isOverruled(onOne, "a"), isOverruled(onOne, "b")], [true, false]);
  assert.deepEqual(withoutMainStops(everywhere), []);
  // A node that comes in its place has not been stopped.
  assert.deepEqual(repaired(onOne, [], ["z"], ["b", "c", "z"]), []);
});

test("a program of some nodes goes to whoever stands in for them, and to no other node", () => {
  const programs = launched([], "probe", "p", ["a"]);
  const [b, c, z] = ["b", "c", "z"];
  assert.deepEqual(belonging(repaired(programs, ["a"], [z], ["a", b, c, z]), ["a", b, c, z]), {
    ...{ a: [], b: [], c: [], z: ["p"] },
  });
  // Without a stand-in it waits, for the node itself or another.
  const waiting = repaired(programs, ["a"], [], ["a", b, c]);
  assert.deepEqual(belonging(waiting), { a: ["p"], b: [], c: [] });
  const gone = repaired(waiting, [], [], [b, c]);
  assert.deepEqual(belonging(repaired(gone, [], [z], [b, c, z]), [b, c, z]), { b: [], c: [], z: ["p"] });
  assert.deepEqual(owingNodes(repaired(gone, [], [z], [b, c, z])), [z]);
});

test("a newcomer that stands in for another node gets it only when the lost one is gone for good", () => {
  const programs = launched([], "probe", "p", ["a"]);
  const later = repaired(programs, [], ["z"], ["a", "b", "z"]);
  assert.deepEqual(belonging(later, ["a", "z"]), { a: ["p"], z: [] });
  const lost = repaired(later, ["a"], [], ["a", "b", "z"]);
  assert.deepEqual(belonging(lost, ["a", "z"]), { a: ["p"], z: [] });
  assert.deepEqual(belonging(repaired(lost, [], [], ["b", "z"]), ["b", "z"]), { b: [], z: ["p"] });
});

test("what has come is owed no more, and what belongs nowhere is not owed", () => {
  const programs = launched([], "main", "x");
  assert.deepEqual(owingNodes(programs), ALL);
  const came = withArrived(programs, [
    { name: "main", node: "a" },
    { name: "other", node: "b" },
  ]);
  assert.deepEqual(owingNodes(came), ["b", "c"]);
  assert.deepEqual(owingNodes(launched(came, "main", "y", ["b"])), ["c", "b"]);
  assert.deepEqual(owingNodes(repaired(came, [], [], ["a", "b"])), ["b"]);
  assert.deepEqual(owingNodes(stopped(came, "main")), []);
});
