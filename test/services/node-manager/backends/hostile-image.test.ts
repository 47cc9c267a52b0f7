import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chown,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  stat,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { execute } from "#services/node-manager/backends/container/inside/execution.ts";
import { nodePlaces, sliverPlaces } from "#services/node-manager/backends/container/places.ts";
import { entriesBeneath } from "#services/node-manager/backends/microvm/cpio.ts";
import { mayHavePrograms } from "#services/node-manager/backends/programs/sliver-programs.ts";
import { accountFiles, loginOf } from "#services/node-manager/backends/seed/login.ts";
import { seed } from "#services/node-manager/backends/seed/seed.ts";
import { type TemporaryDirectory, temporaryDirectory } from "#test/support/directory.ts";

/** Somebody of this machine, whose files are nobody else's. */
const OWNER = 4321;
const isRoot = process.getuid?.() === 0;

/** What is made by whoever made an image, or has root in a sliver, means nothing on the node itself. */
describe("a hostile image or sliver", () => {
  let lab: TemporaryDirectory;
  let image: string;
  let outside: string;
  beforeEach(async () => {
    lab = await temporaryDirectory();
    [image, outside] = [join(lab.path, "image"), join(lab.path, "outside")];
    for (const directory of ["bin", "usr/bin", "etc/skel/deep"])
      await mkdir(join(image, directory), { recursive: true });
    for (const program of ["bin/sh", "usr/bin/sudo"]) await writeFile(join(image, program), "");
    await mkdir(outside);
    await writeFile(join(outside, "secret"), "of the node");
  });
  afterEach(() => lab[Symbol.asyncDispose]());

  async function seeded(): Promise<string> {
    const directory = join(lab.path, "seed");
    await seed(
      directory,
      "hello",
      { name: "hostile", id: "hostile@1", root: image },
      "nameserver 192.0.2.1\n",
    );
    return directory;
  }

  test("gives nobody the node's files that links in its skeleton lead to", { skip: !isRoot }, async () => {
    for (const path of [outside, join(outside, "secret")]) await chown(path, OWNER, OWNER);
    await symlink(outside, join(image, "etc/skel/there"));
    await symlink(outside, join(image, "etc/skel/deep/there"));
    await symlink("..", join(image, "etc/skel/deep/round"));
    await writeFile(join(image, "etc/skel/.profile"), "");
    const directory = await seeded();
    await seeded(); // as at every start
    for (const path of [outside, join(outside, "secret")]) assert.equal((await stat(path)).uid, OWNER);
    for (const name of ["", ".profile", "there", "deep", "deep/there"])
      assert.equal((await lstat(join(directory, "home/hello", name))).uid, 1000, name);
  });

  test("reads nothing of the node into the archive that a microvm boots from", async () => {
    await symlink(outside, join(image, "etc/skel/there"));
    await symlink(".", join(image, "etc/skel/round"));
    const entries = await entriesBeneath(image, "seed");
    const skeleton = entries.map(({ path }) => path).filter((path) => path.startsWith("seed/etc/skel/"));
    assert.deepEqual(
      skeleton.sort(),
      ["deep", "round", "there"].map((name) => `seed/etc/skel/${name}`),
    );
    assert.equal(entries.find(({ path }) => path.endsWith("there"))!.content!.toString(), outside);
  });

  test("makes the node wait for no pipe and read no endless file instead of accounts", async () => {
    const [passwd, group] = [join(image, "etc/passwd"), join(image, "etc/group")];
    execFileSync("mkfifo", [passwd]);
    await writeFile(group, "root:x:0:\n");
    await truncate(group, 2 ** 40);
    const login = await loginOf("hello", image);
    const late = AbortSignal.timeout(5_000);
    const files = await Promise.race([
      accountFiles(login, image),
      new Promise<never>((_, reject) => late.addEventListener("abort", () => reject(late.reason))),
    ]).finally(() => writeFile(passwd, "", { flag: "r+" })); // whoever waits waits no more
    assert.match(files.get("passwd")!, /^root:x:0:0:.*\nhello:x:1000:1000:/);
    assert.match(files.get("group")!, /^root:x:0:\nhello:x:1000:\n$/);
  });

  test("leaves nothing of a sliver that is removed just when a command is to run in it", async () => {
    const node = nodePlaces(join(lab.path, "state"), "0123abcd");
    const bundle = join(lab.path, "bundle");
    const sliver = { ...sliverPlaces(node, "00000000000000aa"), bundle };
    await mkdir(bundle);
    await writeFile(join(bundle, "config.json"), JSON.stringify({ process: { env: [], capabilities: {} } }));
    await mkdir(node.slivers, { recursive: true });
    const command = execute(() => ["--version"], sliver, { argv: ["true"] });
    await assert.rejects(command, { name: "NO_SLICE" });
    assert.deepEqual(await readdir(node.slivers), []);
  });

  test("fills no memory of the node with the names of its programs", async () => {
    const programs = join(lab.path, "sliver/var/lib/slicelab/programs");
    await mkdir(programs, { recursive: true });
    assert.equal(await mayHavePrograms(join(lab.path, "sliver")), false);
    await writeFile(join(programs, "first"), "");
    const name = (number: number) => join(programs, `${number}`.padStart(200, "n"));
    for (let number = 0; number < 10_000; number++) await link(join(programs, "first"), name(number));
    const before = process.resourceUsage().maxRSS;
    for (let times = 0; times < 10; times++)
      assert.equal(await mayHavePrograms(join(lab.path, "sliver")), true);
    const grown = process.resourceUsage().maxRSS - before;
    assert.ok(grown < 4096, `${grown} KiB more`);
    assert.equal(await readFile(join(programs, "first"), "utf8"), "");
  });
});
