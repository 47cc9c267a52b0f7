import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { notifier } from "#shared/runtime/notifier.ts";
import { watchdogInterval } from "#shared/runtime/service-notice.ts";
import { within } from "#test/support/deadline.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { listenForNotices } from "#test/support/notice-listener.ts";

const SERVICE = `
  const { runService } = await import("#shared/runtime/lifecycle.ts");
  await runService("probe", async ({ log }) => {
    log.info({ inherited: process.env.NOTIFY_SOCKET ?? "nothing" }, "started");
    return { async [Symbol.asyncDispose]() {} };
  });`;

function start(env: Record<string, string>) {
  return spawn(process.execPath, ["--input-type=module", "--eval", SERVICE], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ...env },
  });
}

test("a service tells whoever started it that it is ready, that it lives, and that it stops", async () => {
  await using directory = await temporaryDirectory();
  using listener = listenForNotices(directory.path);
  const child = start({ NOTIFY_SOCKET: listener.address, WATCHDOG_USEC: "100000" });
  const said = text(child.stderr!);
  await listener.heard("WATCHDOG=1");
  child.kill("SIGTERM");
  const told = await listener.heard("STOPPING=1");
  assert.deepEqual(told.slice(0, 3), ["READY=1", "STATUS=serving", "WATCHDOG=1"]);
  assert.match(await within(said), /"inherited":"nothing"/, "programs it starts do not speak for it");
});

test("a service whose service manager went away serves on", async () => {
  await using directory = await temporaryDirectory();
  const child = start({ NOTIFY_SOCKET: join(directory.path, "nobody") });
  let told = "";
  child.stderr!.on("data", (chunk) => {
    told += chunk;
    if (!child.killed && told.includes("could not be told")) child.kill("SIGTERM"); // a second one ends it at once
  });
  const [code] = await within(once(child, "close"));
  assert.equal(code, 0);
  assert.match(told, /"error":"ENOENT"/);
});

test("abstract sockets are told, too, and other addresses refused", async () => {
  using listener = listenForNotices();
  assert.equal(notifier(listener.address)("READY=1", "STATUS=serving"), undefined);
  assert.deepEqual(await listener.heard("READY=1"), ["READY=1", "STATUS=serving"]);
  for (const address of ["vsock:2:1234", "relative", `/${"x".repeat(200)}`]) {
    assert.throws(() => notifier(address), /has to be a path or @name/);
  }
});

test("a watchdog hears twice as often as it wants, of its own process only", () => {
  assert.equal(watchdogInterval({ WATCHDOG_USEC: "30000000" }, 7), 15_000);
  assert.equal(watchdogInterval({ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "7" }, 7), 15_000);
  assert.equal(watchdogInterval({ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "8" }, 7), undefined);
  assert.equal(watchdogInterval({}, 7), undefined);
});
