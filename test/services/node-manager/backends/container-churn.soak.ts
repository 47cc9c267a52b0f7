import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { someNode, somePlan } from "#test/contract/backend.ts";
import { lapse } from "#test/support/deadline.ts";
import { containerBench, engineProbe, leftovers } from "./container-bench.ts";

const DEEDS = 400;
const SLIVERS = 12;
const AT_ONCE = 3;
const LONGEST_LIFE_MS = 3_000;
const CHURNER = new URL("container-churner.ts", import.meta.url).pathname;

const probe = await engineProbe();

test("slivers made and removed 200 times in random order, by node managers that break off and are killed, leave nothing", {
  skip: !probe.ok && probe.reason,
}, async () => {
  await using bench = await containerBench();
  const node = someNode();
  const plans = Array.from({ length: SLIVERS }, (_, at) => somePlan({ slice: `churn${at}` }));
  const caretaker = await bench.open(node); // builds the image, which a child need not do while it is being killed
  const { stateDirectory, imagesDirectory } = bench;
  const work = { options: { node, stateDirectory, imagesDirectory }, plans, atOnce: AT_ONCE };
  const deeds = new Map<string, number>();
  let killed = 0;
  while ((deeds.get("ensure") ?? 0) + (deeds.get("remove") ?? 0) < DEEDS) {
    const child = spawn(process.execPath, [CHURNER, JSON.stringify(work)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    for await (const line of createInterface({ input: child.stdout })) {
      assert.doesNotMatch(line, /^failed/);
      deeds.set(line, (deeds.get(line) ?? 0) + 1);
      if (line === "open") void lapse(Math.random() * LONGEST_LIFE_MS).then(() => child.kill("SIGKILL"));
    }
    assert.deepEqual(await ended, [null, "SIGKILL"]);
    killed += 1;
  }
  console.log(`killed ${killed} node managers; ${JSON.stringify(Object.fromEntries(deeds))}`);

  const heir = await bench.open(node);
  for (const { id } of await heir.list()) await heir.remove(id);
  assert.deepEqual(await heir.list(), []);
  assert.deepEqual(await leftovers(node, stateDirectory), []);
  assert.deepEqual(await caretaker.list(), []);
});
