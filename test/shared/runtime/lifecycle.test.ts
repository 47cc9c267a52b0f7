import assert from "node:assert/strict";
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { announcementOf, EXIT_WITH_PARENT } from "#shared/runtime/lifecycle.ts";
import { within } from "#test/support/deadline.ts";

/** A main.ts whose service is given by the body of its `start`. */
function service(start: string, options: SpawnOptions = {}): ChildProcess {
  const main = `
    const { runService } = await import("#shared/runtime/lifecycle.ts");
    await runService("probe", async ({ log, fail }) => { ${start} });`;
  return spawn(process.execPath, ["--input-type=module", "--eval", main], {
    stdio: ["ignore", "pipe", "pipe"],
    ...options,
  });
}

async function ending(child: ChildProcess) {
  let said = "";
  child.stderr?.on("data", (text) => {
    said += text;
  });
  const [code, signal] = await within(once(child, "close"), { what: "the service's end" });
  return { code, signal, said };
}

const DISPOSES = `return {
  announce: { port: 7001 },
  async [Symbol.asyncDispose]() { log.info("disposed of"); },
};`;

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  test(`a service announces itself and ends in order on ${signal}`, async () => {
    const child = service(DISPOSES);
    const end = ending(child);
    assert.deepEqual(await within(announcementOf(child)), { ready: "probe", pid: child.pid, port: 7001 });
    child.kill(signal);
    const { code, said } = await end;
    assert.equal(code, 0);
    assert.match(said, /disposed of.*\n.*stopped/);
  });
}

test("a start that fails says so and exits with 1", async () => {
  const child = service('throw new Error("no configuration");');
  const end = ending(child);
  await assert.rejects(within(announcementOf(child)), /ended before it was ready/);
  const { code, said } = await end;
  assert.equal(code, 1);
  assert.match(said, /"level":"fatal".*no configuration/);
});

test("a start that an operator can mend says how, in a sentence and without a stack", async () => {
  const child = service(`
    const { OperatorError } = await import("#shared/model/errors.ts");
    throw new OperatorError("the key is missing; make one", { cause: new Error("disk of another") });`);
  const { code, said } = await ending(child);
  assert.equal(code, 1);
  const { msg, err } = JSON.parse(said);
  assert.equal(msg, "could not run: the key is missing; make one: disk of another");
  assert.equal(err, undefined);
});

test("a port that is taken and an address of another machine are named, with what to do", async () => {
  const listen = (port: string, address: string) => `
    const { createServer } = await import("node:net");
    const { once } = await import("node:events");
    const first = createServer().listen(0, "127.0.0.1").unref();
    await once(first, "listening");
    const { port: taken } = first.address();
    await once(createServer().unref().listen(${port}, "${address}"), "listening");`;
  const taken = await ending(service(listen("taken", "127.0.0.1")));
  assert.match(JSON.parse(taken.said).msg, /^could not run: port 127\.0\.0\.1:\d+ is taken: .*another port$/);
  const foreign = await ending(service(listen("0", "192.0.2.77")));
  assert.match(JSON.parse(foreign.said).msg, /this machine has no address 192\.0\.2\.77: /);
});

test("an error nobody caught ends the process at once with 70, and so does failing on purpose", async () => {
  for (const how of [
    'setImmediate(() => { throw new Error("EIO") });',
    'setImmediate(() => fail(new Error("EIO")));',
  ]) {
    const { code, said } = await ending(service(how + DISPOSES));
    assert.equal(code, 70);
    assert.match(said, /"level":"fatal".*EIO/);
    assert.doesNotMatch(said, /disposed of/);
  }
});

test("a second signal ends a service that will not stop", async () => {
  const child = service(`return {
    async [Symbol.asyncDispose]() { log.info("stuck"); await new Promise(() => setInterval(() => undefined, 1000)); },
  };`);
  const end = ending(child);
  await within(announcementOf(child));
  child.kill("SIGTERM");
  let said = "";
  for await (const text of child.stderr!) {
    said += text;
    if (said.includes("stuck")) break;
  }
  child.kill("SIGINT"); // a terminal's, say
  child.kill("SIGTERM");
  assert.equal((await end).code, 1);
});

test("a service asked to ends with its parent, even one that was killed", async () => {
  const parent = service(
    `const { spawn } = await import("node:child_process");
     const child = spawn(process.execPath, process.execArgv, {
       stdio: ["pipe", "inherit", "inherit"],
       env: { ...process.env, PARENT: "killed", ${EXIT_WITH_PARENT}: "1" },
     });
     if (process.env.PARENT) { child.kill("SIGKILL"); ${DISPOSES} }
     await new Promise(() => undefined);`,
  );
  const end = ending(parent); // its pipes close when the last of both has ended
  const { pid } = await within(announcementOf(parent));
  assert.notEqual(pid, parent.pid);
  parent.kill("SIGKILL");
  const { said } = await end.finally(() => endProcess(pid));
  assert.match(said, /its parent ended.*\n.*disposed of/);
});

test("a service not asked to does not care about its standard input", async () => {
  const child = service(DISPOSES, { stdio: ["pipe", "pipe", "pipe"] });
  const end = ending(child);
  await within(announcementOf(child));
  child.stdin!.end();
  child.kill("SIGTERM");
  assert.doesNotMatch((await end).said, /its parent ended/);
});

/** Ends a process if it is still there. */
function endProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
