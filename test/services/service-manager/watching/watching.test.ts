import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { readSlice } from "#services/service-manager/journal/slice-state.ts";
import type { Happening } from "#services/service-manager/watching/happenings.ts";
import { formatInstant } from "#shared/model/time.ts";
import { assertExactly, leasesAtNodes, nodesOf } from "../exactness.ts";
import type { SliceLabNode } from "../lab-node.ts";
import { type SliceLab, sliceLab } from "../slice-lab.ts";
import { watching } from "./watching.ts";

const HOUR = 3600;

let lab: SliceLab;

async function create(name: string, ...options: string[]): Promise<SliceLabNode[]> {
  const { code, err } = await lab.slice("create", name, ...options);
  assert.equal(code, 0, err);
  return await nodesOf(lab, name);
}

/** Ends of the leases on nodes that run, as the nodes say. */
const ends = async (name: string) =>
  new Set((await leasesAtNodes(lab, name)).map(({ term }) => formatInstant(term.end)));

const events = (happened: readonly Happening[], node?: SliceLabNode) =>
  happened.filter(({ ip }) => ip === node?.ip).map(({ event }) => event);

describe("slice watch", () => {
  beforeEach(async () => {
    lab = await sliceLab({ nodes: 3 });
  });
  afterEach(() => lab[Symbol.asyncDispose]());

  test("renews what answers while a node is away, tells what each granted, and catches up with the one that is back", async () => {
    const [away, ...others] = await create("hello", "--nodes", "3", "--lease", "8h");
    const [before] = await ends("hello");
    await away!.stop();
    await using watch = await watching(lab, "hello", { repair: false });
    const happened = await watch.look(4 * HOUR + 60);
    const after = [...(await ends("hello"))];
    assert.equal(after.length, 1);
    assert.notEqual(after[0], before);
    for (const node of others) {
      const [renewed] = happened.filter(({ ip, event }) => ip === node.ip && event === "renewed");
      assert.equal(renewed?.sentence, `until ${after[0]} UTC`);
    }
    assert.deepEqual(events(await watch.look()), []);
    await away!.start();
    assert.deepEqual(events(await watch.look(), away), ["back", "renewed"]);
    assert.deepEqual([...(await ends("hello"))], after);
    assert.deepEqual(await watch.look(), []);
  });

  test("lets no node that hangs keep short leases from being renewed, and tells of those that ended", async () => {
    const [hanging, well] = await create("hello", "--nodes", "2", "--lease", "20s");
    const port = Number(new URL(hanging!.manager.url).port);
    await hanging!.stop();
    const mute = createServer().listen(port, hanging!.ip);
    await once(mute, "listening");
    mute.unref();
    try {
      const began = performance.now();
      await using watch = await watching(lab, "hello", { every: 1 });
      const happened = await watch.look(11);
      const took = performance.now() - began;
      assert.deepEqual(events(happened, well), ["renewed"]);
      assert.deepEqual(events(happened, hanging), ["lost"]);
      assert.ok(took < 28_000, `two looks and a repair with deadlines of one second took ${took} ms`);
      const late = await watch.look(40);
      assert.deepEqual(
        events(late, well).filter((event) => event === "ended" || event === "ends-soon"),
        ["ended"],
      );
    } finally {
      mute.close();
    }
  });

  test("goes on without the agent, tells beyond what no lease lasts, and gets tickets when it is back", async () => {
    const nodes = await create("hello", "--nodes", "3", "--lease", "8h");
    await using watch = await watching(lab, "hello");
    await lab.stopAgent();
    const first = await watch.look(5 * HOUR);
    assert.deepEqual(events(first), ["asleep", "agent-away"]);
    for (const node of nodes) assert.deepEqual(events(first, node), ["renewed"]);
    // Twice the length is as far as the first tickets reach.
    const second = await watch.look(8 * HOUR);
    for (const node of nodes) {
      const [trouble] = second.filter(({ ip, event }) => ip === node.ip && event === "not-renewed");
      assert.match(trouble!.sentence, /^UNREACHABLE: .*; its lease ends at /);
    }
    assert.deepEqual(await watch.look(), []);
    await lab.startAgent();
    const back = await watch.look(600);
    assert.ok(events(back).includes("agent-back"));
    for (const node of nodes) assert.deepEqual(events(back, node), ["renewed"]);
    assert.equal((await leasesAtNodes(lab, "hello")).length, 3);
    assert.deepEqual(watch.warnings, []);
  });

  test("after a sleep or a change of the clock, nodes that are away are looked at afresh before they are replaced", async () => {
    const [dead] = await create("hello", "--nodes", "2", "--lease", "8d");
    await using watch = await watching(lab, "hello");
    await dead!.stop();
    assert.deepEqual(events(await watch.look(), dead), ["lost"]);
    const slept = await watch.look(2 * HOUR);
    assert.deepEqual(
      slept.map(({ event, sentence }) => [event, sentence]),
      [["asleep", "nothing was looked at for 2 hours"]],
    );
    lab.clock.set(lab.clock.now() + 1800);
    const stepped = await watch.look();
    assert.match(stepped[0]!.sentence, /was set 30 minutes forward; nobody is replaced for ten minutes/);
    for (let look = 0; look < 3; look++) assert.deepEqual(events(await watch.look(), dead), []);
    assert.ok((await nodesOf(lab, "hello")).includes(dead!));
    const after = await watch.look(580);
    for (let look = 0; look < 20 && !events(after, dead).includes("left"); look++)
      after.push(...(await watch.look(80))); // the agent, which noticed later, issues nothing for ten minutes either
    assert.equal((await leasesAtNodes(lab, "hello")).length, 2, JSON.stringify(watch.warnings));
  });

  test("ends a lease that was given up when its node is back, and fills a slice that is short when one can be had", async () => {
    const [first] = await create("hello", "--nodes", "2");
    const spare = lab.nodes.find((node) => node.name !== first!.name && !node.backend.slivers.size)!;
    await using watch = await watching(lab, "hello");
    await first!.stop();
    await watch.look();
    await watch.look();
    assert.ok((await nodesOf(lab, "hello")).includes(spare));
    await first!.start();
    const ended = [...(await watch.look()), ...(await watch.look(300))];
    assert.deepEqual(events(ended, first), ["left", "ended"]);
    assert.equal((await first!.leases()).length, 0);
    // Gone from two nodes at once, with one to replace them: the second is filled when its node is back.
    const [one, other] = await nodesOf(lab, "hello");
    await first!.stop();
    for (const node of [one!, other!]) await node.client.deletelease({ slice: "hello" });
    await watch.look();
    await watch.look();
    await first!.start();
    for (let look = 0; look < 3; look++) await watch.look(300);
    await assertExactly(lab, "hello", 2);
  });

  test("a program that a node missed is started when the node is back", async () => {
    const [node] = await create("hello", "--nodes", "1");
    await node!.stop();
    await lab.slice("launch", "hello", "--", "sleep", "600");
    await using watch = await watching(lab, "hello");
    await node!.start();
    await watch.look();
    const { out } = await lab.slice("ps", "hello", "-o", "json");
    assert.deepEqual(
      JSON.parse(out).map(({ program }: { program: string }) => program),
      ["main"],
    );
    assert.deepEqual((await readSlice(lab.home, "hello"))!.record.programs![0]!.owed, []);
  });

  test("survives what stands in the way of one look: a configuration that is being changed", async () => {
    const [node] = await create("hello", "--nodes", "1");
    await using watch = await watching(lab, "hello", { repair: false });
    const path = join(lab.home, "config.toml");
    const config = await readFile(path, "utf8");
    await writeFile(path, "half of");
    assert.deepEqual([await watch.look(), await watch.look()], [[], []]);
    assert.equal(watch.warnings.length, 1);
    assert.match(watch.warnings[0]!, /config\.toml.*; trying again$/s);
    await writeFile(path, config);
    await node!.stop();
    assert.deepEqual(events(await watch.look(), node), ["lost"]);
  });
});
