import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { Daemon } from "#services/node-manager/backends/docker/daemon.ts";
import { unmountAll } from "#services/node-manager/backends/machine/mounts.ts";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import { isThere } from "./packages.ts";

const run = promisify(execFile);

/** A Docker daemon for one purpose, with data and a network of its own: whatever it made goes with it. */
export type PrivateDaemon = AsyncDisposable & {
  readonly socket: string;
  /** The name of the network namespace in which the ports of its containers are. */
  readonly namespace: string;
  /** Ends the daemon, and its containers with it. */
  stop(): Promise<void>;
  start(): Promise<void>;
};

const START_MILLISECONDS = 30_000;
const END_MILLISECONDS = 30_000;
const LOOK_AGAIN_MILLISECONDS = 50;
const SAID = 2000;

/** Throws OperatorError, with the reason as a sentence, where none can be started. `options` are of dockerd. */
export async function startPrivateDaemon(options: readonly string[] = []): Promise<PrivateDaemon> {
  if (process.getuid?.() !== 0) throw new OperatorError("a Docker daemon needs root");
  const missing = ["dockerd", "containerd", "runc", "ip", "nsenter"].filter((program) => !isThere(program));
  if (missing.length > 0)
    throw new OperatorError(`there is no ${missing.join(", ")}; npm run setup installs what is missing`);
  await using owned = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "slicelab-dockerd-"));
  owned.defer(() => rm(directory, { recursive: true, force: true }));
  const namespace = `slvdk${randomBytes(4).toString("hex")}`;
  await run("ip", ["netns", "add", namespace]);
  owned.defer(async () => void (await run("ip", ["netns", "delete", namespace])));
  owned.defer(() => unmountAll(directory)); // a daemon leaves the name of its own network namespace
  await run("ip", ["-n", namespace, "link", "set", "lo", "up"]);
  const daemon = new DaemonProcess(directory, namespace, options);
  owned.defer(() => daemon.stop());
  await daemon.start();
  const kept = owned.move();
  return {
    ...{ socket: daemon.socket, namespace },
    start: () => daemon.start(),
    stop: () => daemon.stop(),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

class DaemonProcess {
  readonly socket: string;
  readonly #argv: readonly string[];
  #child: ChildProcess | undefined;

  constructor(directory: string, namespace: string, options: readonly string[]) {
    this.socket = join(directory, "socket");
    const places = ["--data-root", join(directory, "data"), "--exec-root", join(directory, "exec")];
    const argv = [
      "dockerd",
      ...places,
      "-p",
      join(directory, "pid"),
      "-H",
      `unix://${this.socket}`,
      ...options,
    ];
    // Not by `ip netns exec`, which would hide the machine's cgroups from it.
    this.#argv = [`--net=/var/run/netns/${namespace}`, "--", ...argv];
  }

  async start(): Promise<void> {
    const child = spawn("nsenter", this.#argv, { stdio: ["ignore", "ignore", "pipe"] });
    this.#child = child;
    let said = "";
    child.stderr.on("data", (text) => {
      said = (said + text).slice(-SAID);
    });
    const until = performance.now() + START_MILLISECONDS;
    while (!(await this.#answers())) {
      if (child.exitCode !== null || performance.now() > until)
        throw new OperatorError(`dockerd does not run: ${said.trim().split("\n").at(-1)}`);
      await pause(LOOK_AGAIN_MILLISECONDS);
    }
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), END_MILLISECONDS);
    await ended;
    clearTimeout(late);
  }

  async #answers(): Promise<boolean> {
    try {
      await Daemon.find(this.socket);
      return true;
    } catch (error) {
      if (error instanceof Fault) return false;
      throw error;
    }
  }
}
