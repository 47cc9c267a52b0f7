import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { within } from "#test/support/deadline.ts";
import { type TemporaryDirectory, temporaryDirectory } from "#test/support/directory.ts";
import { listenForNotices } from "#test/support/notice-listener.ts";
import { runProgram, runToSuccess } from "#test/support/program.ts";
import { ROOT } from "../structure/source.ts";

/** Where the units expect the software, its configuration and nothing else. */
const INSTALLED = "/opt/slicelab";
const FILES = globSync("packaging/systemd/*.service", { cwd: ROOT }).sort();
const PARTS = ["agent", "authority", "broker", "node-manager", "resource-monitor"];

let directory: TemporaryDirectory;

/** The units as an operator would have them who cloned to where this repository is. */
const units = new Map<string, string>();

before(async () => {
  directory = await temporaryDirectory();
  for (const file of FILES) {
    const text = await readFile(join(ROOT, file), "utf8");
    await writeFile(
      join(directory.path, basename(file)),
      text.replaceAll(INSTALLED, ROOT.replace(/\/$/, "")),
    );
    units.set(basename(file, ".service").replace("slicelab-", ""), text);
  }
});

after(() => directory[Symbol.asyncDispose]());

function unitFile(part: string): string {
  return join(directory.path, `slicelab-${part}.service`);
}

/** The values of one setting of a unit, in their order. */
function settings(part: string, name: string): string[] {
  return [...units.get(part)!.matchAll(new RegExp(`^${name}=(.*)$`, "gm"))].map(([, value]) => value!);
}

test("there is a unit for every service, and systemd finds nothing wrong with it", async () => {
  assert.deepEqual([...units.keys()], PARTS);
  const { code, err, out } = await runProgram("systemd-analyze", [
    "verify",
    "--man=no",
    ...PARTS.map(unitFile),
  ]);
  assert.deepEqual({ code, said: err + out }, { code: 0, said: "" });
});

test("a misspelt setting would have been found", async () => {
  const broken = join(directory.path, "broken.service");
  await writeFile(broken, `${units.get("agent")!.replaceAll(INSTALLED, ROOT)}\n[Service]\nProtectHoem=yes\n`);
  const { err } = await runProgram("systemd-analyze", ["verify", "--man=no", broken]);
  assert.match(err, /ProtectHoem/);
});

test("services that need no rights have none: their exposure, as systemd counts it, is at most 2 of 10", async () => {
  for (const part of ["agent", "authority", "broker", "resource-monitor"]) {
    const judged = ["security", "--offline=true", "--threshold=20", "--no-pager", unitFile(part)];
    const { code, out } = await runProgram("systemd-analyze", judged);
    assert.equal(code, 0, out);
  }
});

test("every unit says when it is ready, hears a watchdog, is started again, and has time to stop", () => {
  for (const part of PARTS) {
    assert.deepEqual(settings(part, "Type"), ["notify"], part);
    assert.deepEqual(settings(part, "Restart"), ["always"], part);
    assert.ok(Number(settings(part, "WatchdogSec")[0]) >= 60, part);
    assert.ok(Number(settings(part, "TimeoutStopSec")[0]) > 20, part);
    assert.deepEqual(settings(part, "ExecStart"), [
      `${INSTALLED}/bin/slicelab ${part} serve --config /etc/slicelab/${part}.toml`,
    ]);
  }
});

test("slivers outlive the node manager's unit, and inherit nothing from it that would bind them", () => {
  assert.deepEqual(settings("node-manager", "KillMode"), ["process"]);
  assert.deepEqual(settings("node-manager", "Delegate"), ["yes"]);
  const namespaces =
    /^(Private|Protect|ReadOnly|ReadWrite|Inaccessible|Temporary|Bind|Root|StateDir|Dynamic)\w*=/m;
  const filters = /^(SystemCall|Restrict|NoNewPrivileges|LockPersonality|MemoryDeny)\w*=/m;
  for (const forbidden of [namespaces, filters]) {
    assert.doesNotMatch(units.get("node-manager")!, forbidden);
  }
});

test("what the unit of a monitor starts tells systemd when it is ready and when it stops", async () => {
  using listener = listenForNotices(directory.path);
  const config = join(directory.path, "resource-monitor.toml");
  await writeFile(config, "[listen]\nudp_port = 0\nxml_port = 0\nweb_port = 0\n");
  const [command, ...args] = settings("resource-monitor", "ExecStart")[0]!
    .replace(INSTALLED, ROOT)
    .replace("/etc/slicelab/resource-monitor.toml", config)
    .split(" ");
  const service = spawn(command!, args, {
    stdio: "ignore",
    env: { ...process.env, NOTIFY_SOCKET: listener.address },
  });
  const ended = once(service, "exit");
  assert.deepEqual(await listener.heard("READY=1"), ["READY=1", "STATUS=serving"]);
  process.kill(service.pid!, "SIGTERM"); // the very process systemd knows: no shell is left between
  await listener.heard("STOPPING=1");
  assert.deepEqual(await within(ended), [0, null]);
});

test("the system user that services run as can be made from its description", async () => {
  const file = join(ROOT, "packaging/systemd/sysusers.conf");
  const root = join(directory.path, "root");
  await mkdir(join(root, "etc"), { recursive: true });
  await runToSuccess("systemd-sysusers", [`--root=${root}`, file]);
  assert.match(await readFile(join(root, "etc/passwd"), "utf8"), /^slicelab:/m);
  for (const part of ["agent", "broker"]) assert.deepEqual(settings(part, "User"), ["slicelab"]);
  assert.deepEqual(settings("authority", "User"), ["slicelab-authority"]);
});
