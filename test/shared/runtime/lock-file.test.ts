import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { lockFile } from "#shared/runtime/lock-file.ts";
import { within } from "#test/support/deadline.ts";
import { temporaryDirectory } from "#test/support/directory.ts";

const BUSY = { name: "BUSY", message: /the state of this test is in use/ };
const HOLDER = `
  const { lockFile } = await import("#shared/runtime/lock-file.ts");
  const lock = await lockFile(process.argv[1], "it");
  console.log("held");
  setInterval(() => lock, 1000);`;

test("a lock has one holder, and the next one after it is given back", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "lock");
  {
    using _lock = await lockFile(path, "the state of this test");
    await assert.rejects(lockFile(path, "the state of this test"), BUSY);
  }
  using _again = await lockFile(path, "the state of this test");
});

test("who waits for a lock gets it when it is given back", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "lock");
  const first = await lockFile(path, "the state of this test");
  const second = lockFile(path, "the state of this test", 20_000);
  first[Symbol.dispose]();
  using _lock = await within(second);
});

test("a lock excludes other processes, and a killed one leaves none behind", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "lock");
  const holder = spawn(process.execPath, ["--input-type=module", "--eval", HOLDER, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    await within(once(holder.stdout, "data"), { what: "the other process's lock" });
    await assert.rejects(lockFile(path, "the state of this test"), BUSY);
  } finally {
    holder.kill("SIGKILL");
    await once(holder, "exit");
  }
  using _lock = await lockFile(path, "the state of this test");
});
