import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { chmod, mkdir, readFile, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { engineProbe } from "../backends/container-bench.ts";
import { type SshSliverLab, sshSliverLab } from "../lab/ssh-sliver-lab.ts";

const probe = await engineProbe();
const MEGABYTES = 100;

describe("files of a sliver", { skip: !probe.ok && probe.reason, timeout: 900_000 }, () => {
  let lab: SshSliverLab;
  let digest: string;
  before(async () => {
    lab = await sshSliverLab();
    const contents = randomBytes(MEGABYTES * 1_000_000);
    digest = createHash("sha256").update(contents).digest("hex");
    await writeFile(join(lab.directory, "large"), contents);
    await chmod(join(lab.directory, "large"), 0o640);
    await utimes(join(lab.directory, "large"), 1_000_000_000, 1_000_000_000);
  });
  after(() => lab[Symbol.asyncDispose]());

  async function succeeds(program: string, args: readonly string[], input?: string): Promise<string> {
    const { code, out, err } = await lab.run(program, args, { input });
    assert.equal(code, 0, err);
    return out;
  }
  const inside = (command: string) => succeeds("ssh", ["oceanstore", command]);

  /** There and back again: the same bytes, mode and time in the sliver, and after that here. */
  async function roundTrip(there: () => Promise<string>, back: () => Promise<string>): Promise<void> {
    await there();
    const facts = await inside(
      "sha256sum large; stat -c '%a %U %Y' large; rm large.back 2>/dev/null; mv large large.back",
    );
    assert.equal(facts, `${digest}  large\n640 oceanstore 1000000000\n`);
    await back();
    const copy = await readFile(join(lab.directory, "large.back"));
    assert.equal(createHash("sha256").update(copy).digest("hex"), digest);
    const { mode, mtimeMs } = await stat(join(lab.directory, "large.back"));
    assert.deepEqual([mode & 0o777, mtimeMs], [0o640, 1e12]);
    await inside("rm large.back");
  }

  for (const [name, flags] of [
    ["scp as it is today, over sftp", []],
    ["scp as it always was, over a scp inside", ["-O"]],
  ] as const) {
    test(`${MEGABYTES} MB go in and out with ${name}`, () =>
      roundTrip(
        () => succeeds("scp", [...flags, "-p", "large", "oceanstore:"]),
        () => succeeds("scp", [...flags, "-p", "oceanstore:large.back", "."]),
      ));
  }

  test(`${MEGABYTES} MB go in and out with sftp, which does the rest of its trade too`, async () => {
    const batch = (lines: string) => succeeds("sftp", ["-b", "-", "oceanstore"], lines);
    await roundTrip(
      () => batch("put -p large\n"),
      () => batch("get -p large.back\n"),
    );
    const listed = await batch(
      "mkdir d\ncd d\nput key-0-ed25519.pub k\nchmod 600 k\nrename k l\nsymlink l m\nls -l\npwd\nrm l\n",
    );
    assert.match(listed, /-rw------- .* oceanstore oceanstore .* l\n/);
    assert.match(listed, /Remote working directory: \/home\/oceanstore\/d\n/);
    assert.equal(await inside("readlink d/m; rm -r d"), "l\n");
  });

  test(`${MEGABYTES} MB go in and out with rsync, and a second time next to nothing does`, async () => {
    await roundTrip(
      () => succeeds("rsync", ["-a", "large", "oceanstore:"]),
      () => succeeds("rsync", ["-a", "oceanstore:large.back", "."]),
    );
    await succeeds("rsync", ["-a", "large", "oceanstore:again"]);
    const stats = await succeeds("rsync", ["-a", "--stats", "large", "oceanstore:again"]);
    assert.match(stats, /Number of regular files transferred: 0\n/);
  });

  test("a tree keeps its modes, links and awkward names with rsync and scp", async () => {
    const tree = join(lab.directory, "tree");
    const awkward = `a b'"$(id)*ü`;
    await mkdir(join(tree, "sub"), { recursive: true });
    await writeFile(join(tree, "run.sh"), "#!/bin/sh\necho ran\n", { mode: 0o755 });
    await writeFile(join(tree, "sub", awkward), "odd", { mode: 0o604 });
    await symlink("run.sh", join(tree, "link"));
    await succeeds("rsync", ["-a", "tree/", "oceanstore:by-rsync"]);
    await succeeds("scp", ["-rp", "tree", "oceanstore:by-scp"]);
    for (const place of ["by-rsync", "by-scp"]) {
      const facts = await inside(`./${place}/run.sh; stat -c '%a %n' ${place}/sub/*; ${place}/link`);
      assert.equal(facts, `ran\n604 ${place}/sub/${awkward}\nran\n`);
    }
    assert.equal(await inside("readlink by-rsync/link; rm -r by-rsync by-scp"), "run.sh\n");
  });

  test("what the login user may not touch is refused, and root's files go with sudo", async () => {
    const refused = await lab.run("scp", ["key-0-ed25519.pub", "oceanstore:/etc/evil"]);
    assert.notEqual(refused.code, 0);
    assert.match(refused.err, /Permission denied/);
    await succeeds("rsync", ["--rsync-path=sudo rsync", "key-0-ed25519.pub", "oceanstore:/etc/good"]);
    assert.equal(await inside("stat -c %U /etc/good"), "root\n");
  });

  test("an image without an sftp server says so, and pipes serve it", async () => {
    for (const program of ["sftp", "scp"]) {
      const args = program === "sftp" ? ["-b", "-", "tiny"] : ["key-0-ed25519.pub", "tiny:"];
      const { code, err } = await lab.run(program, args);
      assert.notEqual(code, 0);
      assert.match(err, /this sliver's image has no sftp server; use ssh with cat or tar/);
    }
    const sent = await lab.run("ssh", ["tiny", "cat >key && cat key"], { input: "contents" });
    assert.deepEqual([sent.code, sent.out], [0, "contents"]);
  });
});
