import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import type { Program } from "#shared/model/slice-description.ts";
import { plainDescription } from "#shared/model/slice-description.ts";
import { writeSliceDescription } from "#shared/wire/slice-description.ts";
import { eventually } from "#test/support/deadline.ts";
import { assertExactly, leasesAtNodes, nodesOf } from "../exactness.ts";
import { type SliceLab, sliceLab } from "../slice-lab.ts";

const SCRIPT = `#!/bin/sh
echo "started $ROLE $*"
echo "$$" >>starts
[ -e stop ] || exec sleep 600
exit "$(cat stop)"
`;

async function programFile(lab: SliceLab, program: Partial<Program> = {}, nodes = 2): Promise<string> {
  await writeFile(join(lab.files, "run.sh"), SCRIPT);
  const path = join(lab.files, "peers.xml");
  const whole: Program = {
    files: [{ path: "bin/run.sh", mode: 0o755, source: "run.sh" }],
    env: [{ name: "ROLE", value: "a 'quoted' $peer" }],
    command: "./bin/run.sh",
    args: ["--join", "two words"],
    restart: "always",
    ...program,
  };
  await writeFile(path, writeSliceDescription({ ...plainDescription("peers", nodes), program: whole }));
  return path;
}

/** Homes of the slivers of slice "peers". */
async function homes(lab: SliceLab): Promise<string[]> {
  const leases = await leasesAtNodes(lab, "peers");
  return leases.map(({ node, sliver }) =>
    lab.nodes.find(({ name }) => name === node)!.backend.homeOf(sliver),
  );
}

async function programs(lab: SliceLab): Promise<{ state: string; restarts: number }[]> {
  const { code, out, err } = await lab.slice("ps", "peers", "-o", "json");
  assert.equal(code, 0, err);
  return JSON.parse(out);
}

const linesOf = async (path: string) => (await readFile(path, "utf8")).trim().split("\n");

test("the program's files are put into every sliver and it is started there once, with its arguments and environment", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  const created = await lab.slice("create", await programFile(lab));
  assert.equal(created.code, 0, created.err);
  for (const home of await homes(lab)) {
    await eventually(async () => (await linesOf(join(home, "starts"))).length === 1);
  }
  const line = "started a 'quoted' $peer --join two words";
  await eventually(async () => {
    const { out } = await lab.slice("logs", "peers");
    return out.trim().split("\n").sort().join() === `127.0.7.1 | ${line},127.0.7.2 | ${line}`;
  });
  await assertExactly(lab, "peers", 2);
});

test("creating the slice again neither starts the program twice nor needs its files any more", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.slice("create", await programFile(lab));
  const [home] = await homes(lab);
  await eventually(async () => (await linesOf(join(home!, "starts"))).length === 1);
  await rm(join(lab.files, "run.sh"));
  assert.equal((await lab.slice("create", "peers")).code, 0);
  assert.equal((await linesOf(join(home!, "starts"))).length, 1);
});

test("a large file, at a long path, is put there once and not sent again", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  const path = `${"deep/".repeat(30)}data`;
  const large = Buffer.alloc(6 * 1024 * 1024, "0123456789abcdef");
  await writeFile(join(lab.files, "data"), large);
  const files = [{ path, mode: 0o640, source: "data" }];
  const file = await programFile(lab, { files, command: "true", args: [], restart: "never" }, 1);
  assert.equal((await lab.slice("create", file)).code, 0);
  const [home] = await homes(lab);
  assert.ok((await readFile(join(home!, path))).equals(large));
  await rm(join(home!, path));
  assert.equal((await lab.slice("create", file)).code, 0);
  await assert.rejects(readFile(join(home!, path)), { code: "ENOENT" });
});

test("a program whose files changed is another slice", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  const file = await programFile(lab);
  await lab.slice("create", file);
  await writeFile(join(lab.files, "run.sh"), "#!/bin/sh\necho changed\n");
  const { code, err } = await lab.slice("create", file);
  assert.equal(code, 1);
  assert.match(err, /SLICE_EXISTS/);
});

test("a sliver that lost its supervisor gets it again, and only that one", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.slice("create", await programFile(lab));
  const [first, second] = await homes(lab);
  for (const home of [first!, second!]) {
    await eventually(async () => (await linesOf(join(home, "starts"))).length === 1);
  }
  await lab.endProcesses(first!);
  assert.equal((await lab.slice("create", "peers")).code, 0);
  await eventually(async () => (await linesOf(join(first!, "starts"))).length === 2);
  assert.equal((await linesOf(join(second!, "starts"))).length, 1);
});

test("a program that is always to run is started again when it ends; one that shall not, is not", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  const always = { command: "sh", args: ["-c", "echo x >>starts"], files: [], restart: "always" } as const;
  await lab.slice("create", await programFile(lab, always, 1));
  const [home] = await homes(lab);
  await eventually(async () => (await linesOf(join(home!, "starts"))).length >= 2, { what: "a restart" });
  await lab.slice("delete", "peers");

  await lab.slice("create", await programFile(lab, { ...always, restart: "never" }, 1));
  const [quiet] = await homes(lab);
  await eventually(async () => (await programs(lab))[0]?.state === "ended");
  assert.equal((await lab.slice("create", "peers")).code, 0);
  assert.equal((await linesOf(join(quiet!, "starts"))).length, 1, "neither by itself nor by creating again");
});

test("a program that is restarted on failure ends when it succeeds", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  const script = "echo x >>starts; [ $(wc -l <starts) -ge 2 ]";
  const program = { command: "sh", args: ["-c", script], files: [], restart: "on-failure" } as const;
  await lab.slice("create", await programFile(lab, program, 1));
  const [home] = await homes(lab);
  await eventually(async () => (await programs(lab))[0]?.state === "ended");
  assert.equal((await linesOf(join(home!, "starts"))).length, 2);
});

test("a program that cannot be put into a sliver is told, keeps the slice incomplete, and is finished by the next run", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  const file = await programFile(lab);
  let refuse = true;
  const [bad] = lab.nodes;
  const { exec } = bad!.backend;
  bad!.backend.exec = async (id, command) =>
    refuse
      ? await exec(id, { ...command, argv: ["sh", "-c", "echo no space left >&2; exit 1"] })
      : await exec(id, command);
  const { code, out, err } = await lab.slice("create", file, "-o", "json");
  assert.equal(code, 3, err);
  const troubles = JSON.parse(out).nodes.map(
    (node: { trouble?: { sentence: string } }) => node.trouble?.sentence,
  );
  assert.deepEqual(
    troubles.filter((sentence: string | undefined) => sentence?.includes("no space left")).length,
    1,
  );
  refuse = false;
  assert.equal((await lab.slice("create", file)).code, 0);
  for (const home of await homes(lab)) await eventually(() => linesOf(join(home, "starts")));
});

test("a program's file that is not there is said before anything is asked for", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  const file = await programFile(lab);
  await rm(join(lab.files, "run.sh"));
  const { code, err } = await lab.slice("create", file);
  assert.equal(code, 2);
  assert.match(err, /run\.sh cannot be read/);
  assert.deepEqual(await lab.charges(), []);
});

test("a repair starts the program in the replacement, and not where its owner stopped it", async () => {
  await using lab = await sliceLab({ nodes: 3 });
  assert.equal((await lab.slice("create", await programFile(lab))).code, 0);
  const [dead, stopped] = await nodesOf(lab, "peers");
  assert.equal((await lab.slice("stop", "peers", stopped!.ip)).code, 0);
  await dead!.stop();
  const { code, err } = await lab.slice("repair", "peers");
  assert.equal(code, 0, err);
  const { out } = await lab.slice("ps", "peers", "-o", "json");
  const fresh = lab.nodes.find((node) => node !== dead && node !== stopped)!;
  const running = JSON.parse(out).map(({ ip, state }: { ip: string; state: string }) => `${ip} ${state}`);
  assert.deepEqual(running, [`${fresh.ip} running`]);
});
