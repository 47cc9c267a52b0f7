import assert from "node:assert/strict";
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { OperatorError } from "#shared/model/errors.ts";
import {
  readIfPresent,
  removeDurably,
  removeUnfinished,
  writeDurably,
} from "#shared/runtime/durable-file.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { runProgram } from "#test/support/program.ts";

test("what was written is read back, with its owner's mode and nothing beside it", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "lease");
  await writeDurably(path, "one");
  await writeDurably(path, Buffer.from("two"));
  assert.equal(String(await readIfPresent(path)), "two");
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(directory.path), ["lease"]);
});

test("the mode asked for is given whatever the umask is", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "shared");
  const before = process.umask(0o077);
  await writeDurably(path, "", 0o644).finally(() => process.umask(before));
  assert.equal((await stat(path)).mode & 0o777, 0o644);
});

test("a file that is not there reads as undefined, one that cannot be read is an error", async () => {
  await using directory = await temporaryDirectory();
  assert.equal(await readIfPresent(join(directory.path, "none")), undefined);
  await assert.rejects(readIfPresent(directory.path), { code: "EISDIR" });
});

test("a failed write leaves the old contents and no litter", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "occupied");
  await mkdir(join(path, "inside"), { recursive: true });
  await assert.rejects(writeDurably(path, "new"), { code: /EISDIR|ENOTEMPTY|EEXIST/ });
  assert.deepEqual(await readdir(directory.path), ["occupied"]);
});

test("a full disk is told with the path of what did not fit, and the old contents stay", async () => {
  await using directory = await temporaryDirectory();
  assert.equal(
    (await runProgram("mount", ["-t", "tmpfs", "-o", "size=16k,mode=0700", "none", directory.path])).code,
    0,
  );
  try {
    const path = join(directory.path, "slice.json");
    await writeDurably(path, "old");
    await assert.rejects(writeDurably(path, Buffer.alloc(65_536)), (error: Error) => {
      assert.ok(error instanceof OperatorError);
      assert.equal(
        error.message,
        `${path} cannot be written, its disk is full: make room there and try again (ENOSPC)`,
      );
      return true;
    });
    assert.equal(await readFile(path, "utf8"), "old");
    assert.deepEqual(await readdir(directory.path), ["slice.json"]);
  } finally {
    await runProgram("umount", [directory.path]);
  }
});

test("a symbolic link is replaced, and what it pointed at is left alone", async () => {
  await using directory = await temporaryDirectory();
  const victim = join(directory.path, "victim");
  const path = join(directory.path, "link");
  await writeFile(victim, "untouched");
  await chmod(victim, 0o640);
  await symlink(victim, path);
  await writeDurably(path, "new");
  assert.equal(await readFile(victim, "utf8"), "untouched");
  assert.equal(await readFile(path, "utf8"), "new");
});

test("removing a file twice is removing it once", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "ticket");
  await writeDurably(path, "");
  await removeDurably(path);
  await removeDurably(path);
  assert.equal(await readIfPresent(path), undefined);
});

test("what a killed writer left is removed, and nothing else", async () => {
  await using directory = await temporaryDirectory();
  await writeFile(join(directory.path, ".lease.0123456789abcdef.unfinished"), "half");
  await writeFile(join(directory.path, "lease.unfinished"), "somebody's");
  await removeUnfinished(directory.path);
  assert.deepEqual(await readdir(directory.path), ["lease.unfinished"]);
});

test("the contents reach the disk before the name does, and the name before the writer goes on", async (t) => {
  await using directory = await temporaryDirectory();
  const write = `
    const { writeDurably } = await import("#shared/runtime/durable-file.ts");
    await writeDurably(process.argv[1] + "/lease", "promise");`;
  const node = [process.execPath, "--input-type=module", "--eval", write, directory.path];
  const env = { NODE_DISABLE_COMPILE_CACHE: "1" }; // which it would write meanwhile
  const options = ["-f", "-y", "-e", "trace=fsync,rename"];
  const traced = await runProgram("strace", [...options, ...node], { env }).catch(() => undefined);
  if (traced?.code !== 0) return t.skip("strace cannot be used here");
  const calls = traced.err.split("\n").flatMap((line) => /\b(fsync|rename)\(.*$/.exec(line)?.[0] ?? []);
  assert.equal(calls.length, 3, traced.err);
  assert.match(calls[0]!, /^fsync\(\d+<.*\.unfinished>\) += 0$/);
  assert.match(calls[1]!, /^rename\(".*\.unfinished", ".*\/lease"\) += 0$/);
  assert.ok(calls[2]!.startsWith("fsync(") && calls[2]!.includes(`<${directory.path}>) `), calls[2]);
});
