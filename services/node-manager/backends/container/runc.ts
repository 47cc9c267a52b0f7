import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, readFile, rm } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import { readIfPresent } from "#shared/runtime/durable-file.ts";
import type { Command, RunningCommand } from "../backend.ts";
import type { NodePlaces, SliverPlaces } from "./places.ts";
import { waitUntil } from "./process.ts";
import { ENVIRONMENT, runProgram } from "./program.ts";

const START_MILLISECONDS = 30_000;
/** What a shell answers for a command that could not be started. */
const NOT_STARTED = 127;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** The OCI runtime, as one node uses it: it makes namespaces and cgroups, and starts what runs in them. */
export class Runc {
  readonly #node: NodePlaces;

  constructor(node: NodePlaces) {
    this.#node = node;
  }

  /**
   * Starts the sliver's first process from its bundle. Its input and output are nothing, so that it belongs to no node
   * manager and lives on when this one ends.
   */
  async start(sliver: SliverPlaces): Promise<void> {
    const argv = ["--bundle", sliver.bundle, "--pid-file", sliver.pidFile, "--detach", sliver.container];
    try {
      await this.#change(sliver, "start the sliver's processes", "run", argv);
    } catch (error) {
      // runc wrote its reason to its log, since its stderr would have become the sliver's.
      const reason = new Error((await readIfPresent(sliver.log))?.toString().slice(-2000), { cause: error });
      throw new Fault("BACKEND_FAILED", "the sliver's processes could not be started; try again", {
        cause: reason,
      });
    }
  }

  /** The number of the first process of a container that was started. */
  async firstProcess(sliver: SliverPlaces): Promise<number> {
    return Number(await readFile(sliver.pidFile, "utf8"));
  }

  /**
   * Ends the sliver's processes and what runc keeps of them, also when they are only being started by a runc whose
   * node manager was killed. Nothing when none was started since the last end: then there is no lock.
   */
  async end(sliver: SliverPlaces): Promise<void> {
    if ((await readIfPresent(sliver.lock)) === undefined) return;
    await this.#change(sliver, "end the sliver's processes", "delete", ["--force", sliver.container]);
    await rm(sliver.lock);
  }

  /**
   * Starts a command inside and returns once it runs (or has already ended). Its process group is its own, so that
   * `kill` reaches everything it started that did not leave that group. A command that can't be started ends with 127.
   */
  async execute(sliver: SliverPlaces, command: Command): Promise<RunningCommand> {
    check(command);
    const [log, pidFile] = await this.#commandFiles(sliver);
    const { argv, env = {}, workingDirectory = "/root" } = command;
    const variables = Object.entries(env).flatMap(([name, value]) => ["--env", `${name}=${value}`]);
    const options = ["--pid-file", pidFile, "--cwd", workingDirectory, ...variables];
    // A session of its own: what a terminal tells the node manager (an interrupt) is not meant for slivers.
    const child = spawn("runc", [...this.#globals(log), "exec", ...options, sliver.container, ...argv], {
      env: ENVIRONMENT,
      stdio: "pipe",
      detached: true,
    });
    child.stdin.on("error", () => undefined); // the command may end without reading its input
    // Read at once: what Node finds unread when a process exits, it throws away.
    const [stdout, stderr] = [child.stdout.pipe(new PassThrough()), child.stderr.pipe(new PassThrough())];
    const drained = Promise.all([stdout, stderr].map((output) => once(output, "end")));
    let ended = false;
    const exit = ending(child)
      .finally(() => {
        ended = true;
      })
      .then(async ({ code, signal }) => {
        // runc answers 255 both for a command's own 255 and for one it could not start; only then does it log.
        const notStarted = code === 255 && (await hasText(log));
        await Promise.all([drained, rm(log, { force: true }), rm(pidFile, { force: true })]);
        return signal ? { code, signal } : { code: notStarted ? NOT_STARTED : code };
      });
    exit.catch(() => undefined); // whoever waits for `exit` is told; nobody has to
    await waitUntil(async () => ended || (await hasText(pidFile)), START_MILLISECONDS);
    const group = Number((await readIfPresent(pidFile)) ?? 0);
    const kill = (signal: NodeJS.Signals = "SIGTERM") => {
      if (!ended && group > 1) endGroup(group, signal);
    };
    return { stdin: child.stdin, stdout, stderr, exit, kill };
  }

  #globals(log: string): string[] {
    return ["--root", this.#node.runc, "--log", log, "--log-format", "json"];
  }

  /**
   * Runs a runc that changes the container while nobody else's does: one whose node manager was killed may still be
   * at work, and the kernel frees its lock when it ends. The lock is not handed down to what runc starts.
   */
  #change(sliver: SliverPlaces, purpose: string, verb: string, argv: readonly string[]): Promise<string> {
    const locked = ["flock", "--exclusive", "--close", sliver.lock] as const;
    return runProgram(purpose, [...locked, "runc", ...this.#globals(sliver.log), verb, ...argv], {
      detachedOutput: true,
    });
  }

  async #commandFiles(sliver: SliverPlaces): Promise<[log: string, pidFile: string]> {
    await mkdir(sliver.commands, { recursive: true });
    const name = join(sliver.commands, randomBytes(8).toString("hex"));
    return [`${name}.log`, `${name}.pid`];
  }
}

function check({ argv, env = {}, workingDirectory = "/" }: Command): void {
  const [name] = argv;
  refuseUnless(name, "MALFORMED", "there is no command; give at least its name");
  refuseUnless(
    Object.keys(env).every((key) => VARIABLE.test(key)),
    "MALFORMED",
    "an environment variable has no name a program could use",
  );
  refuseUnless(
    workingDirectory.startsWith("/"),
    "MALFORMED",
    "the working directory must be an absolute path",
  );
  const texts = [...argv, ...Object.values(env), workingDirectory];
  refuseUnless(
    !texts.some((text) => text.includes("\0")),
    "MALFORMED",
    "a command carries a NUL; no program could read it",
  );
}

/** Settles when runc has ended and its output is drained. */
function ending(child: ChildProcess): Promise<{ code: number; signal?: NodeJS.Signals }> {
  return new Promise((resolve, reject) => {
    child.once("error", (cause) => {
      reject(
        new Fault("BACKEND_FAILED", "the container engine could not run a command; try again", { cause }),
      );
    });
    child.once("close", (code, signal) => {
      resolve(signal ? { code: 128 + constants.signals[signal], signal } : { code: code ?? NOT_STARTED });
    });
  });
}

function endGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // it ended just now
  }
}

async function hasText(path: string): Promise<boolean> {
  return ((await readIfPresent(path))?.length ?? 0) > 0;
}
