import assert from "node:assert/strict";
import { test } from "node:test";
import { createLog, type LogOptions, requestLog, silentLog } from "#shared/runtime/log.ts";

function capture(options: LogOptions = {}) {
  const lines: string[] = [];
  return { lines, log: createLog("agent", { ...options, write: (line) => lines.push(line) }) };
}

test("a line is JSON with time, level, service and what happened", () => {
  const { lines, log } = capture();
  log.info({ tickets: 3 }, "issued");
  const { time, pid, ...entry } = JSON.parse(lines[0]!);
  assert.deepEqual(entry, { level: "info", service: "agent", tickets: 3, msg: "issued" });
  assert.equal(pid, process.pid);
  assert.match(time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});

test("less serious lines than asked for are left out, and a silent log writes none", () => {
  const { lines, log } = capture({ level: "warn" });
  log.info("no");
  log.warn("yes");
  silentLog().fatal("no");
  assert.equal(lines.length, 1);
});

test("all lines of one request carry its id, and two requests have two", () => {
  const { lines, log } = capture();
  const [one, other] = [requestLog(log), requestLog(log)];
  one.info("begun");
  one.info("done");
  other.info("begun");
  requestLog(log, "given").info("begun");
  const ids = lines.map((line) => JSON.parse(line).request);
  assert.equal(ids[0], ids[1]);
  assert.notEqual(ids[0], ids[2]);
  assert.equal(ids[3], "given");
});

test("private keys and passwords are not logged", () => {
  const { lines, log } = capture();
  log.info(
    { privatekey: "SECRET", call: { privatekey: "SECRET" }, headers: { authorization: "SECRET" } },
    "called",
  );
  assert.doesNotMatch(lines[0]!, /SECRET/);
});

test("an error is logged with its cause and stack", () => {
  const { lines, log } = capture();
  log.error({ err: new Error("outer", { cause: new Error("inner") }) }, "failed");
  assert.match(JSON.parse(lines[0]!).err.stack, /outer[\s\S]*inner/);
});

test("for people a line is short: time, level, service, message, facts, and an error's stack below", () => {
  const { lines, log } = capture({ pretty: true });
  requestLog(log, "r1").warn({ node: "n1", free: { cpu: 1 } }, "full");
  log.error({ err: new Error("broken") }, "failed");
  assert.match(lines[0]!, /^\d\d:\d\d:\d\d WARN {2}agent r1 full node=n1 free=\{"cpu":1\}\n$/);
  assert.match(lines[1]!, /^\d\d:\d\d:\d\d ERROR agent failed\nError: broken\n {4}at /);
});
