import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { unmountAll } from "#services/node-manager/backends/machine/mounts.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { isThere } from "../packages.ts";

const run = promisify(execFile);

/** A Docker daemon for one purpose, with data and a network of its own: whatever it made goes with it. */
export type PrivateDaemon = AsyncDisposable & {
  /** As DOCKER_HOST has it. */
  readonly host: string;
};

const START_MILLISECONDS = 30_000;
const END_MILLISECONDS = 30_000;
const LOOK_AGAIN_MILLISECONDS = 100;

/** Throws OperatorError, with the reason as a sentence, where none can be started. */
export async function startPrivateDaemon(): Promise<PrivateDaemon> {
  if (process.getuid?.() !== 0) throw new OperatorError("a Docker daemon needs root");
  const missing = ["dockerd", "containerd", "ip", "nsenter"].filter((program) => !isThere(program));
  if (missing.length > 0)
    throw new OperatorError(`there is no ${missing.join(", ")}; npm run setup installs them`);
  await using owned = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "slicelab-dockerd-"));
  owned.defer(() => rm(directory, { recursive: true, force: true }));
  owned.defer(() => unmountAll(directory)); // a daemon leaves the name of its own network namespace
  const namespace = `slvdk${randomBytes(4).toString("hex")}`;
  await run("ip", ["netns", "add", namespace]);
  owned.defer(async () => void (await run("ip", ["netns", "delete", namespace])));
  await run("ip", ["-n", namespace, "link", "set", "lo", "up"]);
  const socket = join(directory, "socket");
  const places = ["--data-root", join(directory, "data"), "--exec-root", join(directory, "exec")];
  const argv = ["dockerd", ...places, "-p", join(directory, "pid"), "-H", `unix://${socket}`];
  // Not by `ip netns exec`, which would hide the machine's cgroups from it.
  const child = spawn(
    "nsenter",
    [`--net=/var/run/netns/${namespace}`, "--", ...argv, "--log-level", "warn"],
    {
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  let said = "";
  child.stderr.on("data", (text) => {
    said = (said + text).slice(-2000);
  });
  const ended = once(child, "exit");
  owned.defer(async () => {
    child.kill("SIGTERM");
    await Promise.race([ended, pause(END_MILLISECONDS, undefined, { ref: false })]);
  });
  for (const until = performance.now() + START_MILLISECONDS; !(await answers(socket)); ) {
    if (child.exitCode !== null || performance.now() > until)
      throw new OperatorError(
        `dockerd does not run here: ${said.trim().split("\n").at(-1) ?? "it says nothing"}`,
      );
    await pause(LOOK_AGAIN_MILLISECONDS);
  }
  const kept = owned.move();
  return { host: `unix://${socket}`, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function answers(socket: string): Promise<boolean> {
  if (!existsSync(socket)) return false;
  const argv = ["--host", `unix://${socket}`, "version", "--format", "{{.Server.Version}}"];
  return run("docker", argv).then(
    () => true,
    () => false,
  );
}
