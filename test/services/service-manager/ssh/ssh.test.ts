import assert from "node:assert/strict";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { runProgram } from "#test/support/program.ts";
import { leasesAtNodes } from "../exactness.ts";
import { type SliceLab, sliceLab } from "../slice-lab.ts";

const ROOT = join(import.meta.dirname, "../../../..");

/** The machine's own ssh, as somebody without any configuration of their own would run it. */
function ssh(lab: SliceLab, ...args: string[]) {
  return runProgram("ssh", ["-F", join(lab.home, "ssh_config"), ...args]);
}

/** The installed command, at no terminal. */
function slice(lab: SliceLab, ...args: string[]) {
  return runProgram(join(ROOT, "bin/slice"), args, { env: { SLICELAB_HOME: lab.home } });
}

test("creating a slice makes ssh NODE.SLICE work, without a question, and says how once", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  const created = await lab.slice("create", "hello", "--nodes", "2");
  assert.match(created.err, /enter it with: slice ssh hello/);
  assert.ok(created.err.includes(`Include "${lab.home}/ssh_config"`));
  for (const { ip, node } of await leasesAtNodes(lab, "hello")) {
    for (const host of [`${ip}.hello`, `${node.slice(0, 12)}.hello`]) {
      const entered = await ssh(lab, host, 'echo "in $HOME"; exit 3');
      assert.equal(entered.code, 3, entered.err);
      assert.match(entered.out, /^in \/.*\n$/);
      assert.equal(entered.err, "");
    }
  }
  const again = await lab.slice("create", "world");
  assert.ok(!again.err.includes("Include"), again.err);
  const [lease] = await leasesAtNodes(lab, "world");
  assert.equal((await ssh(lab, `${lease!.ip}.world`, "true")).code, 0);
  assert.equal((await ssh(lab, "world", "true")).code, 0, "a slice of one sliver goes by its own name");
  for (const file of ["ssh_config", "slices/hello/ssh_config", "slices/hello/known_hosts"]) {
    assert.equal((await stat(join(lab.home, file))).mode & 0o777, 0o600, file);
  }
});

test("it works from a configuration that includes it, beside what is there", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  await lab.slice("create", "hello");
  const own = join(lab.files, "config");
  await writeFile(
    own,
    `Include "${lab.home}/ssh_config"\nHost *\n  User somebody\n  Port 1\n  ForwardAgent yes\n`,
  );
  assert.equal((await runProgram("ssh", ["-F", own, "hello", "exit 4"])).code, 4);
});

test("a node that shows another host key than its lease names is not entered", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  await lab.slice("create", "hello");
  await lab.nodes[0]!.stop();
  await writeFile(join(lab.home, "..", "node0", "state", "ssh-host-key"), await otherKey(lab), {
    mode: 0o600,
  });
  await lab.nodes[0]!.start();
  const refused = await ssh(lab, "hello", "true");
  assert.equal(refused.code, 255);
  assert.match(refused.err, /Host key verification failed/);
});

async function otherKey(lab: SliceLab): Promise<string> {
  const file = join(lab.files, "other");
  await runProgram("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file]);
  return await readFile(file, "utf8");
}

test("what ssh is told follows the slice: slivers that are gone are gone from it too", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.slice("create", "hello", "--nodes", "2");
  await lab.nodes[1]!.stop();
  assert.equal((await lab.slice("delete", "hello")).code, 3);
  const told = await readFile(join(lab.home, "slices/hello/ssh_config"), "utf8");
  assert.ok(!told.includes("127.0.7.1.hello"), told);
  assert.ok(told.includes("127.0.7.2.hello"), told);
  await lab.nodes[1]!.start();
  assert.equal((await lab.slice("delete", "hello")).code, 0);
  const gone = await ssh(lab, "127.0.7.2.hello", "true");
  assert.match(gone.err, /Could not resolve hostname/);
});

test("slice ssh runs a command in one sliver as it is written, and ends with its exit code", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.slice("create", "hello", "--nodes", "2");
  const words = ["a  b", "$HOME", "'", "*", "", "--help"];
  const ran = await slice(lab, "ssh", "hello", "127.0.7.2", "--", "printf", "%s|", ...words);
  assert.deepEqual([ran.code, ran.out, ran.err], [0, `${words.join("|")}|`, ""]);
  const [first, second] = await leasesAtNodes(lab, "hello");
  const home = (lease: typeof first) =>
    lab.nodes.find(({ ip }) => ip === lease!.ip)!.backend.homeOf(lease!.sliver);
  const there = await slice(lab, "ssh", "hello", second!.node.slice(0, 8), "--", "pwd; exit 9");
  assert.deepEqual([there.code, there.out], [9, `${home(second)}\n`]);
  const anywhere = await slice(lab, "ssh", "hello", "--", "pwd");
  assert.equal(anywhere.out, `${home([first, second].sort((a, b) => (a!.ip < b!.ip ? -1 : 1))[0])}\n`);
  assert.match(anywhere.err, /entering 127\.0\.7\.1, the first of 2 slivers/);
  const shell = await runProgram(join(ROOT, "bin/slice"), ["ssh", "hello", "127.0.7.1"], {
    env: { SLICELAB_HOME: lab.home },
    input: "echo typed; exit 5\n",
  });
  assert.deepEqual([shell.code, shell.out], [5, "typed\n"]);
});

test("slice ssh refuses what makes no sense, and what is not there", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  await lab.slice("create", "hello");
  assert.equal((await lab.slice("ssh", "nosuch")).code, 5);
  assert.equal((await lab.slice("ssh", "hello", "10.1.1.1")).code, 2);
  const forgotten = await lab.slice("ssh", "hello", "127.0.7.1", "uptime");
  assert.equal(forgotten.code, 2);
  assert.match(forgotten.err, /a command after --: -- uptime/);
  await lab.nodes[0]!.stop();
  const away = await slice(lab, "ssh", "hello", "--", "true");
  assert.equal(away.code, 255);
  assert.match(away.err, /Connection refused/);
});

test("slice scp copies into every sliver and out of every sliver, trees too", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.slice("create", "hello", "--nodes", "2");
  await mkdir(join(lab.files, "tree/sub"), { recursive: true });
  await writeFile(join(lab.files, "tree/sub/a b"), "contents", { mode: 0o640 });
  await writeFile(join(lab.files, "plain"), "plain");
  const sent = await lab.slice("scp", "hello", "-rp", join(lab.files, "tree"), join(lab.files, "plain"), ":");
  assert.deepEqual([sent.code, sent.err], [0, "slice: copied into 2 of 2 slivers\n"]);
  const there = await lab.slice(
    "exec",
    "hello",
    "--",
    "cat plain 'tree/sub/a b'; stat -c %a 'tree/sub/a b'; echo $HOME >home",
  );
  assert.equal(there.out.match(/\| plaincontents640\n/g)?.length, 2, there.out);

  const back = await lab.slice("scp", "hello", "-r", ":tree", ":home", join(lab.files, "back"));
  assert.equal(back.code, 0, back.err);
  for (const { ip, sliver } of await leasesAtNodes(lab, "hello")) {
    assert.equal(await readFile(join(lab.files, "back", ip, "tree/sub/a b"), "utf8"), "contents");
    const home = lab.nodes.find((node) => node.ip === ip)!.backend.homeOf(sliver);
    assert.equal(await readFile(join(lab.files, "back", ip, "home"), "utf8"), `${home}\n`);
  }
  const one = await lab.slice("scp", "hello", "--node", "127.0.7.2", ":plain", join(lab.files, "one"));
  assert.equal(one.code, 0, one.err);
  assert.equal(await readFile(join(lab.files, "one"), "utf8"), "plain");
});

test("slice scp is partial when a sliver cannot be reached or has not what is asked for, and says which", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.slice("create", "hello", "--nodes", "2");
  await writeFile(join(lab.files, "plain"), "plain");
  await lab.slice("exec", "hello", "--node", "127.0.7.1", "--", "touch only-here");
  const missing = await lab.slice("scp", "hello", ":only-here", join(lab.files, "out"));
  assert.equal(missing.code, 3);
  assert.match(missing.err, /127\.0\.7\.2: .*only-here.*No such file/);
  assert.deepEqual(await readdir(join(lab.files, "out/127.0.7.1")), ["only-here"]);
  await lab.nodes[1]!.stop();
  const away = await lab.slice("scp", "hello", join(lab.files, "plain"), ":");
  assert.equal(away.code, 3);
  assert.match(away.err, /127\.0\.7\.2: .*Connection refused/);
  assert.match(away.err, /copied into 1 of 2 slivers/);
});

test("slice scp refuses paths that say no direction", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  await lab.slice("create", "hello");
  for (const paths of [["a"], [":a"], ["a", "b"], [":a", ":b"], ["a", ":b", ":c"], [":a", "b", "c"]]) {
    assert.equal((await lab.slice("scp", "hello", ...paths)).code, 2, paths.join(" "));
  }
});

test("slice scp says once what is missing here, before it connects to anybody", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.slice("create", "hello", "--nodes", "2");
  await mkdir(join(lab.files, "tree"));
  await Promise.all(lab.nodes.map((node) => node.stop()));
  const copying = (...paths: string[]) => lab.slice("scp", "hello", ...paths, ":");
  const missing = await copying(join(lab.files, "tree/none"));
  assert.equal(missing.code, 2);
  assert.match(missing.err, /^slice: \S+tree\/none cannot be read \(there is no such file\).*\n$/);
  const tree = await copying(join(lab.files, "tree"));
  assert.equal(tree.code, 2);
  assert.match(tree.err, /^slice: \S+tree is a directory; copy it with -r.*\n$/);
});

test("a home ssh cannot be told of is warned about, and the slice is made all the same", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  const home = join(lab.files, "100% mine");
  await mkdir(home, { mode: 0o700 });
  for (const name of await readdir(lab.home)) {
    if ((await stat(join(lab.home, name))).isFile()) {
      await writeFile(join(home, name), await readFile(join(lab.home, name)), { mode: 0o600 });
    }
  }
  const created = await lab.sliceWith({ home }, "create", "hello");
  assert.equal(created.code, 0, created.err);
  assert.match(created.err, /ssh cannot be told of files in .*100% mine/);
  assert.equal((await lab.sliceWith({ home }, "exec", "hello", "--", "echo in")).out, "127.0.7.1 | in\n");
});
