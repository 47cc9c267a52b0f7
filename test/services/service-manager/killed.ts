import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readSlice } from "#services/service-manager/journal/slice-state.ts";
import { runProgram } from "#test/support/program.ts";
import { assertExactly, isRunning, leasesAtNodes, nodesOf } from "./exactness.ts";
import type { SliceLab } from "./slice-lab.ts";

const MAIN = fileURLToPath(import.meta.resolve("#services/service-manager/main.ts"));
const KILLER = import.meta.resolve("./kill-at-step.ts");

/** Runs a command line of alice's as a process of its own that is killed at a step; 0 lets it live. */
async function runKilled(lab: SliceLab, step: number, argv: readonly string[]) {
  const stepsFile = join(lab.files, "steps");
  const env = { SLICELAB_HOME: lab.home, KILL_AT_STEP: String(step), STEPS_FILE: stepsFile };
  const ran = await runProgram(process.execPath, ["--import", KILLER, MAIN, ...argv], { env });
  return { ...ran, stepsFile };
}

/** A command, what must be before it, and what must have become of it when it is simply run again. */
export type Killing = {
  readonly prepare: (lab: SliceLab, slice: string) => Promise<void>;
  readonly command: (slice: string) => readonly string[];
  readonly again: (lab: SliceLab, slice: string) => Promise<void>;
};

export const CREATE: Killing = {
  prepare: async () => {},
  command: (slice) => ["create", slice, "--nodes", "2"],
  async again(lab, slice) {
    const { code, err } = await lab.slice("create", slice, "--nodes", "2");
    assert.equal(code, 0, err);
    await assertExactly(lab, slice, 2);
  },
};

/** The node that would be chosen first is away, another takes its place, and it is back after the second run. */
export const CREATE_AROUND: Killing = {
  ...CREATE,
  async prepare(lab) {
    const plan: { ip: string; verdict: string }[] = JSON.parse(
      (await lab.slice("plan", "around", "--nodes", "2", "-o", "json")).out,
    );
    const first = plan.find(({ verdict }) => verdict === "chosen");
    await lab.nodes.find(({ ip }) => ip === first?.ip)!.stop();
  },
  async again(lab, slice) {
    const { code, err } = await lab.slice("create", slice, "--nodes", "2");
    assert.equal(code, 0, err);
    assert.equal((await leasesAtNodes(lab, slice)).length, 2);
    for (const node of lab.nodes) if (!isRunning(node)) await node.start();
    await CREATE.again(lab, slice);
  },
};

/** A creation that was killed and is not wanted any more. */
export const CREATE_THEN_DELETE: Killing = {
  ...CREATE,
  async again(lab, slice) {
    const { code, err } = await lab.slice("delete", slice);
    assert.ok(code === 0 || code === 5, err);
    await assertExactly(lab, slice, 0);
  },
};

export const DELETE: Killing = {
  async prepare(lab, slice) {
    assert.equal((await lab.slice("create", slice, "--nodes", "2")).code, 0);
  },
  command: (slice) => ["delete", slice],
  again: CREATE_THEN_DELETE.again,
};

/** A renewal that needs further tickets. */
export const RENEW: Killing = {
  prepare: DELETE.prepare,
  command: (slice) => ["renew", slice, "--for", "5d"],
  async again(lab, slice) {
    const { code, err } = await lab.slice("renew", slice, "--for", "5d");
    assert.equal(code, 0, err);
    await assertExactly(lab, slice, 2, { renewed: true });
  },
};

/** One node of the slice is away, and back after the repair was run again. */
export const REPAIR: Killing = {
  async prepare(lab, slice) {
    await DELETE.prepare(lab, slice);
    await (await nodesOf(lab, slice))[0]!.stop();
  },
  command: (slice) => ["repair", slice],
  async again(lab, slice) {
    const { code, err } = await lab.slice("repair", slice);
    assert.equal(code, 0, err);
    assert.equal((await leasesAtNodes(lab, slice)).length, 2);
    for (const node of lab.nodes) if (!isRunning(node)) await node.start();
    assert.equal((await lab.slice("repair", slice)).code, 0);
    await assertExactly(lab, slice, 2);
  },
};

/** A program with a file, launched on a slice of two nodes. */
export const LAUNCH: Killing = {
  prepare: DELETE.prepare,
  command: (slice) => ["launch", slice, "--file", MAIN, "--", "sleep", "600"],
  async again(lab, slice) {
    assert.equal((await lab.slice("repair", slice)).code, 0);
    const written = (await readSlice(lab.home, slice))!.record.programs ?? [];
    assert.equal(await programsOf(lab, slice), written.length > 0 ? 2 : 0, "what is written down runs");
    const { code, err } = await lab.slice(...LAUNCH.command(slice));
    assert.equal(code, 0, err);
    assert.equal(await programsOf(lab, slice), 2);
    assert.equal((await filesOf(lab, slice)).length, 1);
    await assertExactly(lab, slice, 2);
  },
};

/** The end of a program that slivers which come later would have, too. */
export const STOP: Killing = {
  async prepare(lab, slice) {
    await DELETE.prepare(lab, slice);
    assert.equal((await lab.slice(...LAUNCH.command(slice))).code, 0);
  },
  command: (slice) => ["stop", slice],
  async again(lab, slice) {
    const { code, err } = await lab.slice("stop", slice);
    assert.ok(code === 0 || code === 5, err); // 5: the killed one had stopped it already
    assert.equal(await programsOf(lab, slice), 0);
    assert.deepEqual(await filesOf(lab, slice), []);
    await assertExactly(lab, slice, 2);
  },
};

/** How many programs the slivers of a slice keep. */
async function programsOf(lab: SliceLab, slice: string): Promise<number> {
  return JSON.parse((await lab.slice("ps", slice, "-o", "json")).out).length;
}

/** The files kept of programs. */
async function filesOf(lab: SliceLab, slice: string): Promise<string[]> {
  return await readdir((await readSlice(lab.home, slice))!.paths.program);
}

/** How many steps the command takes when nobody kills it. */
export async function stepsOf(lab: SliceLab, { prepare, command, again }: Killing): Promise<number> {
  await prepare(lab, "whole");
  const { code, err, stepsFile } = await runKilled(lab, 0, command("whole"));
  assert.equal(code, 0, err);
  await again(lab, "whole");
  await lab.slice("delete", "whole");
  return Number(await readFile(stepsFile, "utf8"));
}

/** Kills the command at one step, and runs it again. */
export async function killAt(
  lab: SliceLab,
  step: number,
  { prepare, command, again }: Killing,
): Promise<void> {
  const slice = `killed${step}`;
  await prepare(lab, slice);
  const { code, err } = await runKilled(lab, step, command(slice));
  assert.ok(code === null || code === 0, err); // 0: it had ended before that step
  await again(lab, slice);
  await lab.slice("delete", slice);
  await assertExactly(lab, slice, 0);
}
