import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { within } from "#test/support/deadline.ts";
import { temporaryDirectory } from "#test/support/directory.ts";

const [FAKETIME] = globSync("/usr/lib/*/faketime/libfaketime.so.1");

/** Says whether the clock is sure each time it is asked by a line. */
const WATCHER = `
  const { systemClock } = await import("#shared/runtime/clock.ts");
  const { watchClock } = await import("#shared/runtime/clock-watch.ts");
  const { createInterface } = await import("node:readline");
  const watch = watchClock(systemClock());
  for await (const _ of createInterface({ input: process.stdin })) console.log(watch.sure());`;

test("a process notices that its machine's clock was set", {
  skip: !FAKETIME && "libfaketime is not installed",
}, async () => {
  await using directory = await temporaryDirectory();
  const offset = join(directory.path, "offset");
  await writeFile(offset, "+0");
  const watcher = spawn(process.execPath, ["--input-type=module", "--eval", WATCHER], {
    stdio: ["pipe", "pipe", "inherit"],
    env: {
      ...process.env,
      LD_PRELOAD: FAKETIME,
      FAKETIME_TIMESTAMP_FILE: offset,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    },
  });
  try {
    const answers = createInterface({ input: watcher.stdout });
    const ask = async () => {
      const answer = once(answers, "line");
      watcher.stdin.write("?\n");
      return (await within(answer))[0];
    };
    assert.equal(await ask(), "true");
    await writeFile(offset, "+30");
    assert.equal(await ask(), "true");
    await writeFile(offset, "-120");
    assert.equal(await ask(), "false");
    await writeFile(offset, "+0");
    assert.equal(await ask(), "false");
  } finally {
    watcher.kill("SIGKILL");
  }
});
