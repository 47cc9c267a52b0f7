import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { SliceJournal } from "#services/service-manager/journal/slice-journal.ts";
import { readSlice } from "#services/service-manager/journal/slice-state.ts";
import { plainDescription } from "#shared/model/slice-description.ts";
import { writeSliceDescription } from "#shared/wire/slice-description.ts";
import { eventually } from "#test/support/deadline.ts";
import { isRunning, nodesOf } from "../exactness.ts";
import type { SliceLabNode } from "../lab-node.ts";
import { type SliceLab, sliceLab } from "../slice-lab.ts";

let lab: SliceLab;

async function succeed(...argv: string[]): Promise<string> {
  const { code, out, err } = await lab.slice(...argv);
  assert.equal(code, 0, `slice ${argv.join(" ")}: ${err}`);
  return out;
}

/** Programs that run in the slivers of a slice, by their nodes' addresses. */
async function running(slice: string): Promise<Record<string, string[]>> {
  const rows: { ip: string; program: string; state: string }[] = JSON.parse(
    await succeed("ps", slice, "-o", "json"),
  );
  const slivers = await nodesOf(lab, slice);
  return Object.fromEntries(
    slivers.map(({ ip }) => [ip, rows.filter((row) => row.ip === ip).map((row) => row.program)]),
  );
}

async function homeAt(node: SliceLabNode, slice: string): Promise<string> {
  const lease = (await node.leases()).find((one) => one.slice === slice);
  return node.backend.homeOf(lease!.sliver);
}

/** Lets a node die, has the slice repaired, and gives back the node that stands in for it. The dead one is back then. */
async function replace(dead: SliceLabNode, slice: string): Promise<SliceLabNode> {
  const before = await nodesOf(lab, slice);
  await dead.stop();
  await succeed("repair", slice);
  await dead.start();
  await succeed("repair", slice);
  return (await nodesOf(lab, slice)).find((node) => !before.includes(node))!;
}

describe("programs of a slice that stays alive", () => {
  before(async () => {
    lab = await sliceLab({ nodes: 3 });
  });
  after(() => lab[Symbol.asyncDispose]());

  test("a node that stands in for another gets what was launched, files and all, and not what was stopped", async () => {
    await succeed("create", "web", "--nodes", "2");
    const [one, other] = (await nodesOf(lab, "web")) as [SliceLabNode, SliceLabNode];
    const file = join(lab.files, "words");
    await writeFile(file, "of mine");
    await succeed("launch", "web", "--file", `${file}:share/`, "--", "cat share/words >>said; sleep 600");
    await succeed("launch", "web", one.ip, "--name", "probe", "--", "sleep", "600");
    await writeFile(file, "changed since");
    const first = await replace(one, "web");
    assert.deepEqual(await running("web"), { [other.ip]: ["main"], [first.ip]: ["main", "probe"] });
    const home = await homeAt(first, "web");
    await eventually(async () => (await readFile(join(home, "said"), "utf8")) === "of mine");

    await succeed("stop", "web");
    const kept = (await readSlice(lab.home, "web"))!;
    assert.deepEqual(await readdir(kept.paths.program), []);
    const second = await replace(other, "web");
    assert.deepEqual(await running("web"), { [first.ip]: ["probe"], [second.ip]: [] });
    await succeed("delete", "web");
  });

  test("a sliver that was made anew gets what was launched", async () => {
    await succeed("create", "anew", "--nodes", "2");
    await succeed("launch", "anew", "--name", "peer", "--", "sleep", "600");
    const [robbed] = await nodesOf(lab, "anew");
    await robbed!.client.deletelease({ slice: "anew" });
    await succeed("create", "anew", "--nodes", "2");
    assert.deepEqual(Object.values(await running("anew")), [["peer"], ["peer"]]);
    await succeed("delete", "anew");
  });

  test("a launch that a node missed is finished by the next repair, once", async () => {
    await succeed("create", "late", "--nodes", "2");
    await succeed("launch", "late", "--", "echo first >>said; sleep 600");
    const [away, there] = (await nodesOf(lab, "late")) as [SliceLabNode, SliceLabNode];
    await away.stop();
    const launched = await lab.slice("launch", "late", "--", "echo second >>said; sleep 600");
    assert.equal(launched.code, 3, launched.err);
    await away.start();
    const { err } = await lab.slice("repair", "late");
    assert.match(err, /nothing to repair/);
    for (const node of [away, there]) {
      const said = join(await homeAt(node, "late"), "said");
      await eventually(async () => (await readFile(said, "utf8")) === "first\nsecond\n");
    }
    const { programs } = (await readSlice(lab.home, "late"))!.record;
    assert.deepEqual(
      programs!.map(({ name, owed }) => [name, owed]),
      [["main", []]],
    );
    await succeed("delete", "late");
  });

  test("the program of a description that was stopped stays stopped, until the slice is created again", async () => {
    const path = join(lab.files, "described.xml");
    const program = { files: [], env: [], command: "sleep", args: ["600"], restart: "always" } as const;
    await writeFile(path, writeSliceDescription({ ...plainDescription("described", 2), program }));
    await succeed("create", path);
    await succeed("stop", "described");
    const [dead, well] = (await nodesOf(lab, "described")) as [SliceLabNode, SliceLabNode];
    const fresh = await replace(dead, "described");
    assert.deepEqual(await running("described"), { [well.ip]: [], [fresh.ip]: [] });
    await succeed("create", path);
    assert.deepEqual(await running("described"), { [well.ip]: ["main"], [fresh.ip]: ["main"] });
    await succeed("delete", "described");
  });

  test("what every sliver refused was never launched; what no node answered to is owed", async () => {
    await succeed("create", "never", "--nodes", "1");
    const [node] = (await nodesOf(lab, "never")) as [SliceLabNode];
    const { backend } = node;
    const { exec } = backend;
    backend.exec = (id) => exec(id, { argv: ["sh", "-c", "exit 127"] });
    assert.equal((await lab.slice("launch", "never", "--", "true")).code, 1);
    backend.exec = exec;
    const file = join(lab.files, "words");
    assert.deepEqual((await readSlice(lab.home, "never"))!.record.programs ?? [], []);
    await node.stop();
    const away = await lab.slice("launch", "never", "--file", file, "--", "sleep 600");
    assert.notEqual(away.code, 0);
    await node.start();
    await succeed("repair", "never");
    assert.deepEqual(await running("never"), { [node.ip]: ["main"] });
    await succeed("delete", "never");
    assert.ok(lab.nodes.every(isRunning));
  });

  test("waits for its turn while another command works on the slice, and says so", async () => {
    await succeed("create", "busy", "--nodes", "1");
    const journal = await SliceJournal.openExisting(lab.home, "busy");
    const launching = lab.slice("launch", "busy", "--", "sleep", "600");
    const stopping = lab.slice("stop", "busy", "--name", "none", "--deadline", "1s");
    const stopped = await stopping;
    assert.equal(stopped.code, 1);
    assert.match(stopped.err, /waiting for another command .*\n.*BUSY: slice busy is in use/);
    journal[Symbol.dispose]();
    const { code, err } = await launching;
    assert.equal(code, 0, err);
    assert.equal(err, "slice: waiting for another command that works on slice busy\n");
    await succeed("delete", "busy");
  });
});
