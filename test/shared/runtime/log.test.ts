import assert from "node:assert/strict";
import { test } from "node:test";
import { createLog, type LogOptions, silentLog } from "#shared/runtime/log.ts";
import { requestIdFrom, withRequestId } from "#shared/runtime/request-context.ts";

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

test("all lines of one request carry its id, and two requests have two", async () => {
  const { lines, log } = capture();
  const work = async () => {
    log.info("begun");
    await Promise.resolve();
    log.info("done");
  };
  await Promise.all([withRequestId("one", work), withRequestId(requestIdFrom("two"), work)]);
  log.info("idle");
  const ids = lines.map((line) => JSON.parse(line).request);
  assert.deepEqual(ids, ["one", "two", "one", "two", undefined]);
});

test("what is no proper id of a request is replaced by a new one", () => {
  for (const hostile of [undefined, "", "a b", "a\nb", "\u001b[2J", "x".repeat(65), ["one", "two"]]) {
    assert.match(requestIdFrom(hostile), /^[0-9a-f]{12}$/);
  }
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
  withRequestId("r1", () => log.warn({ node: "n1", free: { cpu: 1 } }, "full"));
  log.error({ err: new Error("broken") }, "failed");
  assert.match(lines[0]!, /^\d\d:\d\d:\d\d WARN {2}agent r1 full node=n1 free=\{"cpu":1\}\n$/);
  assert.match(lines[1]!, /^\d\d:\d\d:\d\d ERROR agent failed\nError: broken\n {4}at /);
});
