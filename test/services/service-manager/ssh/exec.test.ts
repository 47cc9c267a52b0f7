import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { slicePaths } from "#services/service-manager/journal/slice-paths.ts";
import { newSshKeyPair } from "#shared/identity/ssh-key.ts";
import { runProgram } from "#test/support/program.ts";
import { leasesAtNodes } from "../exactness.ts";
import { sliceLab } from "../slice-lab.ts";

test("a command runs in every sliver, and each line of output names its node", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.slice("create", "hello", "--nodes", "2");
  const ran = await lab.slice("exec", "hello", "--", "printf 'one\\ntwo'; echo oops >&2");
  assert.equal(ran.code, 0);
  assert.deepEqual(ran.out.trim().split("\n").sort(), [
    "127.0.7.1 | one",
    "127.0.7.1 | two",
    "127.0.7.2 | one",
    "127.0.7.2 | two",
  ]);
  assert.deepEqual(ran.err.trim().split("\n").sort(), ["127.0.7.1 | oops", "127.0.7.2 | oops"]);
});

test("several words are run exactly as they are, whatever they mean to a shell", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  await lab.slice("create", "hello");
  const words = ["a  b", "$HOME", "'", "\\", "*", "", "--help", "x;y"];
  const ran = await lab.slice("exec", "hello", "-o", "json", "--", "printf", "%s|", ...words);
  assert.equal(JSON.parse(ran.out)[0].stdout, `${words.join("|")}|`);
});

test("it ends with the exit code of the command: the largest, where slivers differ", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.slice("create", "hello", "--nodes", "2");
  assert.equal((await lab.slice("exec", "hello", "--", "exit 7")).code, 7);
  const [first, second] = await leasesAtNodes(lab, "hello");
  const home = lab.nodes.find(({ ip }) => ip === first!.ip)!.backend.homeOf(first!.sliver);
  const differing = await lab.slice("exec", "hello", "-o", "json", "--", `[ "$HOME" = '${home}' ] || exit 9`);
  assert.equal(differing.code, 9);
  const codes: { ip: string; exit_code: number }[] = JSON.parse(differing.out);
  assert.deepEqual(new Map(codes.map((row) => [row.ip, row.exit_code])).get(first!.ip), 0);
  assert.deepEqual(new Map(codes.map((row) => [row.ip, row.exit_code])).get(second!.ip), 9);
  assert.equal((await lab.slice("exec", "hello", "--", "kill -TERM $$")).code, 143);
  assert.equal((await lab.slice("exec", "hello", "--node", first!.ip, "--", "exit 0")).code, 0);
  assert.equal((await lab.slice("exec", "hello", "--node", "10.1.1.1", "--", "true")).code, 2);
});

test("a sliver that cannot be reached makes it partial, and the others' output is there", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.slice("create", "hello", "--nodes", "2");
  await lab.nodes[1]!.stop();
  const ran = await lab.slice("exec", "hello", "--", "echo here");
  assert.equal(ran.code, 3);
  assert.equal(ran.out, "127.0.7.1 | here\n");
  assert.match(ran.err, /127\.0\.7\.2: UNREACHABLE/);
});

test("a gateway with another host key than the lease names is not spoken to", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  await lab.slice("create", "hello");
  const [node] = lab.nodes;
  const marker = join(lab.files, "marker");
  await node!.stop();
  // The node's gateway comes back with a key that is not in the lease.
  await writeFile(join(node!.state, "ssh-host-key"), newSshKeyPair().privateKey, { mode: 0o600 });
  await node!.start();
  const ran = await lab.slice("exec", "hello", "--", `touch '${marker}'`);
  assert.equal(ran.code, 1);
  assert.match(ran.err, /WRONG_PEER.*another ssh host key/);
  await assert.rejects(readFile(marker), { code: "ENOENT" });
});

test("a command that does not end is ended by --timeout, with exit code 124", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  await lab.slice("create", "hello");
  const ran = await lab.slice("exec", "hello", "--timeout", "1s", "--", "echo begun; sleep 60");
  assert.equal(ran.code, 124, ran.err);
  assert.match(ran.out, /begun/);
});

test("output without end is passed on as it comes, and not kept beyond a limit where it is to be kept", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  await lab.slice("create", "hello");
  const passed = await lab.slice("exec", "hello", "--", "head -c 3000000 /dev/zero | tr '\\0' x");
  assert.equal(passed.code, 0);
  assert.equal(passed.out.replaceAll(/[^x]/g, "").length, 3_000_000);
  const kept = await lab.slice("exec", "hello", "-o", "json", "--", "yes");
  assert.equal(kept.code, 1, kept.err);
  assert.match(kept.err, /BAD_ANSWER.*printed more than/);
});

test("the slice's own key is one that OpenSSH takes", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  await lab.slice("create", "hello");
  const { identity, publicIdentity } = slicePaths(lab.home, "hello");
  const derived = await runProgram("ssh-keygen", ["-y", "-f", identity]);
  assert.equal(derived.code, 0, derived.err);
  const [type, blob] = (await readFile(publicIdentity, "utf8")).split(" ");
  assert.equal(derived.out.split(" ").slice(0, 2).join(" ").trim(), `${type} ${blob}`);
});

test("keys are added, listed and removed on every node", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.slice("create", "hello", "--nodes", "2");
  const file = join(lab.files, "mine.pub");
  const { publicKey } = newSshKeyPair();
  await writeFile(file, `${publicKey} me@home\n`);
  const listed = async () => (await lab.slice("key", "list", "hello", "-o", "name")).out;
  assert.equal((await lab.slice("key", "add", "hello", file)).code, 0);
  assert.equal((await listed()).split("\n").filter((line) => line === publicKey).length, 2);
  assert.equal((await lab.slice("key", "rm", "hello", file)).code, 0);
  assert.ok(!(await listed()).includes(publicKey));
});

test("a key that was added is let into slivers that are made later", async () => {
  await using lab = await sliceLab({ nodes: 2 });
  await lab.nodes[1]!.stop();
  assert.equal((await lab.slice("create", "hello", "--nodes", "2")).code, 3);
  const file = join(lab.files, "mine.pub");
  const { publicKey } = newSshKeyPair();
  await writeFile(file, publicKey);
  assert.equal((await lab.slice("key", "add", "hello", file)).code, 0);
  await lab.nodes[1]!.start();
  assert.equal((await lab.slice("create", "hello")).code, 0);
  const { keys } = await lab.nodes[1]!.client.getsshkeys({ slice: "hello" });
  assert.ok(keys?.includes(publicKey));
});

test("a private key, two keys, or no key at all is not sent to anybody", async () => {
  await using lab = await sliceLab({ nodes: 1 });
  await lab.slice("create", "hello");
  const { privateKey, publicKey } = newSshKeyPair();
  const file = join(lab.files, "key");
  for (const text of [privateKey, `${publicKey}\n${publicKey}\n`, "", `command="rm -rf /" ${publicKey}`]) {
    await writeFile(file, text);
    const { code, err } = await lab.slice("key", "add", "hello", file);
    assert.equal(code, 2, text);
    assert.doesNotMatch(err, /AAAA|BEGIN/);
  }
  assert.equal((await lab.slice("key", "add", "hello", join(lab.files, "nothing"))).code, 2);
});
