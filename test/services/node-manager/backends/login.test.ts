import assert from "node:assert/strict";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { accountFiles, loginOf, ROOT, readLogin } from "#services/node-manager/backends/seed/login.ts";
import { temporaryDirectory } from "#test/support/directory.ts";

/** An image that has these files. */
async function image(files: Readonly<Record<string, string>>) {
  const directory = await temporaryDirectory();
  for (const [path, contents] of Object.entries(files)) {
    const place = join(directory.path, path);
    await mkdir(dirname(place), { recursive: true });
    await writeFile(place, contents);
  }
  return directory;
}

const PASSWD = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/bin/false\n";

test("the login user is an ordinary one where there is sudo, and root by number where there is none", async () => {
  await using whole = await image({ "usr/bin/sudo": "", "bin/bash": "", "bin/sh": "" });
  const ordinary = { name: "hello", uid: 1000, gid: 1000, home: "/home/hello", shell: "/bin/bash" };
  assert.deepEqual(await loginOf("hello", whole.path), ordinary);
  await using small = await image({ "bin/sh": "" });
  const { uid, gid, shell } = await loginOf("hello", small.path);
  assert.deepEqual([uid, gid, shell], [0, 0, "/bin/sh"]);
});

test("its account comes after root's and before any other with its number, and replaces one with its name", async () => {
  const others = `${PASSWD}debian:x:1000:1000::/home/debian:/bin/sh\nhello:x:1234:1234::/:/bin/false\n`;
  await using whole = await image({ "usr/bin/sudo": "", "etc/passwd": others, "etc/group": "root:x:0:\n" });
  const files = await accountFiles(await loginOf("hello", whole.path), whole.path);
  assert.deepEqual(files.get("passwd")!.split("\n"), [
    "root:x:0:0:root:/root:/bin/sh",
    "hello:x:1000:1000::/home/hello:/bin/sh",
    "daemon:x:1:1::/:/bin/false",
    "debian:x:1000:1000::/home/debian:/bin/sh",
    "",
  ]);
  assert.equal(files.get("group"), "root:x:0:\nhello:x:1000:\n");
  assert.deepEqual([...files.keys()], ["passwd", "group"], "only files the image has");
});

test("an image with a link for /bin has a shell, one without any is told so and gets accounts nevertheless", async () => {
  await using linked = await image({ "usr/bin/sh": "" });
  await symlink("/usr/bin", join(linked.path, "bin"));
  assert.equal((await loginOf("hello", linked.path)).withoutShell, undefined);
  await using bare = await image({ server: "" });
  const login = await loginOf("hello", bare.path);
  assert.equal(login.withoutShell, true);
  const files = await accountFiles(login, bare.path);
  assert.deepEqual([...files.keys()], ["passwd", "group"]);
  assert.match(files.get("passwd")!, /^root:x:0:0:.*\nhello:x:0:0:/);
});

test("an image's link to a file of the node is not followed", async () => {
  await using outside = await image({ secret: PASSWD });
  await using inside = await image({ "etc/group": "root:x:0:\n" });
  await symlink(join(outside.path, "secret"), join(inside.path, "etc/passwd"));
  const files = await accountFiles(await loginOf("hello", inside.path), inside.path);
  assert.deepEqual([...files.keys()], ["group"]);
});

test("a sliver that was started before there were accounts has root alone", async () => {
  await using directory = await temporaryDirectory();
  assert.deepEqual(await readLogin(join(directory.path, "login.json")), ROOT);
});
