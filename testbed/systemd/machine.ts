import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Cgroups } from "#services/node-manager/backends/machine/cgroups.ts";
import { isThere as exists } from "#services/node-manager/backends/machine/presence.ts";
import { readProc, waitUntil } from "#services/node-manager/backends/machine/process.ts";
import { OperatorError } from "#shared/model/errors.ts";

const FIRST_PROCESS = fileURLToPath(new URL("first-process.sh", import.meta.url));
const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const NAMESPACES = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"];
const START_MILLISECONDS = 60_000;
const END_MILLISECONDS = 10_000;
const COMMAND_MILLISECONDS = 180_000;
const LOOK_AGAIN_MILLISECONDS = 100;
const run = promisify(execFile);

/**
 * A machine with a systemd as its first process, made of namespaces: its own root, network, processes and name, and a part of
 * this machine's cgroups. Everything in it ends with it.
 */
export class Machine implements AsyncDisposable {
  readonly #first: number;
  readonly #owned: AsyncDisposableStack;

  private constructor(first: number, owned: AsyncDisposableStack) {
    this.#first = first;
    this.#owned = owned;
  }

  /** Starts what is on a copy of `disk`, with this project in /opt/slicelab, and waits until it has started all it wants. */
  static async start(disk: string, address: string): Promise<Machine> {
    await using owned = new AsyncDisposableStack();
    const directory = await mkdtemp(join(tmpdir(), "slicelab-machine-"));
    owned.defer(() => rm(directory, { recursive: true }));
    const copy = join(directory, "disk");
    await run("cp", ["--sparse=always", disk, copy]);
    const script = join(directory, "first-process.sh");
    await copyFile(FIRST_PROCESS, script);
    const cgroups = await cgroupsOf(`slicelab-systemd-${process.pid}`);
    owned.defer(() => removeCgroups(cgroups));
    const enter = 'for place in $CGROUPS; do echo $$ > "$place/cgroup.procs"; done; exec "$@"';
    // It ends with us, however we end.
    const unshare = [
      "setpriv",
      "--pdeathsig",
      "KILL",
      "unshare",
      ...NAMESPACES,
      "--fork",
      "--kill-child=KILL",
      "sh",
      script,
    ];
    const child = spawn("sh", ["-c", enter, "sh", ...unshare, copy, PROJECT, address], {
      env: { ...process.env, CGROUPS: cgroups.join(" ") },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.on("data", (chunk) => {
      said += chunk;
    });
    owned.defer(() => end(child));
    const first = await firstOf(child);
    if (!first) throw new OperatorError(`no systemd could be started here: ${said.trim().slice(-1000)}`);
    const machine = new Machine(first, owned.move());
    await machine.#settled();
    return machine;
  }

  /** Has systemd run a shell script, as root and with HOME. Gives its stdout; throws OperatorError unless it ends with 0. */
  async run(script: string): Promise<string> {
    const service = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--setenv=HOME=/root"];
    const argv = this.#inside([...service, "bash", "-euo", "pipefail", "-c", script]);
    try {
      const { stdout } = await run("nsenter", argv, { timeout: COMMAND_MILLISECONDS, maxBuffer: 2 ** 26 });
      return stdout;
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      throw new OperatorError(`this failed:\n${script}\n${stdout ?? ""}${stderr ?? ""}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }

  #inside(argv: readonly string[]): string[] {
    const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    return [`--target=${this.#first}`, ...NAMESPACES, "--", "env", "-i", path, "LC_ALL=C.UTF-8", ...argv];
  }

  async #settled(): Promise<void> {
    const until = performance.now() + START_MILLISECONDS;
    let state = "";
    while (performance.now() < until) {
      state = await run("nsenter", this.#inside(["systemctl", "is-system-running"])).then(
        ({ stdout }) => stdout.trim(),
        ({ stdout }) => String(stdout).trim(),
      );
      if (state === "running") return;
      await pause(LOOK_AGAIN_MILLISECONDS);
    }
    throw new OperatorError(`systemd did not start all that is installed: it says it is "${state}"`);
  }
}

/** A cgroup of that name in every hierarchy of this machine. Throws where slivers would not be limited in it. */
async function cgroupsOf(name: string): Promise<string[]> {
  const all = await Cgroups.find();
  const made: string[] = [];
  for (const hierarchy of all.hierarchies) {
    const place = join(hierarchy, name);
    await mkdir(place);
    made.push(place);
    for (const file of ["cpuset.cpus", "cpuset.mems"]) {
      // With cgroups of version 1 a new one has none, and takes no process then.
      if (await exists(join(place, file)))
        await writeFile(join(place, file), await readFile(join(hierarchy, file)));
    }
  }
  return made;
}

/** What systemd and slivers made beneath goes first. Processes that have ended just now may still be in it. */
async function removeCgroups(places: readonly string[]): Promise<void> {
  for (const place of places) {
    const entries = await readdir(place, { withFileTypes: true });
    await removeCgroups(entries.filter((one) => one.isDirectory()).map(({ name }) => join(place, name)));
    if (!(await waitUntil(() => isRemoved(place), END_MILLISECONDS)))
      throw new OperatorError(`${place} still has processes`);
  }
}

async function isRemoved(cgroup: string): Promise<boolean> {
  try {
    await rmdir(cgroup);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EBUSY") throw error;
    return false;
  }
}

/** The process that is the first in its namespace; undefined: it has ended. */
async function firstOf(child: ChildProcess): Promise<number | undefined> {
  while (child.exitCode === null && child.signalCode === null) {
    const children = await readProc(`/proc/${child.pid}/task/${child.pid}/children`);
    const first = Number(children?.trim().split(" ")[0] || 0);
    if (first && (await readProc(`/proc/${first}/comm`)) === "systemd\n") return first;
    await pause(LOOK_AGAIN_MILLISECONDS);
  }
  return undefined;
}

/** With its first process the kernel ends all of them. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}
