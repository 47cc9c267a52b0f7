import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { announcementOf } from "#shared/runtime/lifecycle.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { runProgram } from "#test/support/program.ts";
import { dumpAt } from "./monitor-lab.ts";

const SLICELAB = fileURLToPath(new URL("../../../bin/slicelab", import.meta.url));

test("a monitor serves from its configuration until it is asked to stop", async () => {
  await using directory = await temporaryDirectory();
  const config = join(directory.path, "monitor.toml");
  await writeFile(
    config,
    `[node]\nname = "n"\nip = "192.0.2.1"\n[listen]\nudp_port = 0\nxml_port = 0\nweb_port = 0\n`,
  );
  const child = spawn(SLICELAB, ["resource-monitor", "serve", "--config", config], {
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, SLICELAB_RESOURCE_MONITOR_NODE_LOCATION: "attic" },
  });
  const ended = once(child, "exit");
  const { xml } = await announcementOf(child);
  assert.equal((await dumpAt(Number(xml))).get("n")?.location, "attic");
  child.kill("SIGTERM");
  assert.deepEqual(await ended, [0, null]);
});

test("a start that cannot be says what is wrong, by name", async () => {
  const env = { SLICELAB_RESOURCE_MONITOR_ANNOUNCE_TO: "nowhere" };
  const { code, err } = await runProgram(SLICELAB, ["resource-monitor", "serve"], { env });
  assert.equal(code, 1);
  assert.match(err, /announce\.to.*HOST:PORT/);
  assert.equal((await runProgram(SLICELAB, ["resource-monitor", "dance"])).code, 2);
});
