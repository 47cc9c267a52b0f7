import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { PassThrough, type Readable, type Writable } from "node:stream";
import { Fault } from "#shared/model/errors.ts";
import { readIfPresent } from "#shared/runtime/durable-file.ts";
import type { Command, RunningCommand, Terminal } from "../../backend.ts";
import { waitUntil } from "../../machine/process.ts";
import { ENVIRONMENT } from "../../machine/program.ts";
import type { SliverPlaces } from "../places.ts";
import { isSize, ociProcess } from "./oci-process.ts";
import { openPseudoTerminal } from "./pseudo-terminal.ts";

const START_MILLISECONDS = 30_000;
/** People notice how long a command takes to start. */
const LONGEST_PAUSE = 20;
/** How long a command may take to end when it was hung up on. */
const HANG_UP_MILLISECONDS = 2_000;
/** What a shell answers for a command that could not be started. */
const NOT_STARTED = 127;

/** The short-lived files of one command: what it is, what runc says of it, and its process number outside. */
type CommandFiles = { readonly process: string; readonly log: string; readonly pid: string };

/**
 * Starts a command inside and returns once it runs (or has already ended). Its process group is its own, so that `kill`
 * reaches everything it started that did not leave that group. A command that can't be started ends with 127.
 *
 * `runc` gives runc's arguments before its verb, with this file as its log.
 */
export async function execute(
  runc: (log: string) => readonly string[],
  sliver: SliverPlaces,
  command: Command,
): Promise<RunningCommand> {
  const description = JSON.stringify(await ociProcess(sliver, command));
  const files = await commandFiles(sliver);
  await writeFile(files.process, description, { mode: 0o600 });
  const options = ["--process", files.process, "--pid-file", files.pid];
  const argv = [...runc(files.log), "exec", ...options, sliver.container];
  const child = command.terminal ? await onTerminal(argv, command.terminal) : onPipes(argv);
  let ended = false;
  const exit = child.exit
    .finally(() => {
      ended = true;
    })
    .then(async ({ code, signal }) => {
      // runc answers 255 both for a command's own 255 and for one it could not start; only then does it log.
      const notStarted = code === 255 && (await hasText(files.log));
      await child.drained;
      for (const file of Object.values(files)) await rm(file, { force: true });
      return signal ? { code, signal } : { code: notStarted ? NOT_STARTED : code };
    });
  exit.catch(() => undefined); // whoever waits for `exit` is told; nobody has to
  const hasBegun = async () => ended || (await hasText(files.pid));
  if (!(await waitUntil(hasBegun, START_MILLISECONDS, LONGEST_PAUSE))) {
    // runc reads the sliver's /etc/passwd first, and waits for ever where that is a pipe: nobody else would end it.
    child.leave();
    for (const output of [child.stdout, child.stderr]) output.resume();
    throw new Fault(
      "BACKEND_FAILED",
      "the command did not start in time; try again, and if the sliver's /etc/passwd or /etc/group is a pipe, remove it",
    );
  }
  const group = Number((await readIfPresent(files.pid)) ?? 0);
  function kill(signal: NodeJS.Signals = "SIGTERM"): void {
    if (ended || group <= 1) return;
    signalGroup(group, signal);
    if (signal !== "SIGHUP") return;
    // What ignores it may go on inside, as after any lost connection, but nobody keeps its outputs open for it.
    const leaving = setTimeout(() => child.leave(), HANG_UP_MILLISECONDS);
    exit.finally(() => clearTimeout(leaving)).catch(() => undefined);
  }
  const { stdin, stdout, stderr, resize } = child;
  return { stdin, stdout, stderr, exit, kill, resize };
}

/** A runc that runs a command, and what goes in and out of it. */
type Runner = {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exit: Promise<{ code: number; signal?: NodeJS.Signals }>;
  /** Settles when both outputs were read to their ends. */
  readonly drained: Promise<unknown>;
  resize?(columns: number, rows: number): void;
  /** Ends runc alone. */
  leave(): void;
};

function onPipes(argv: readonly string[]): Runner {
  // A session of its own: what a terminal tells the node manager (an interrupt) is not meant for slivers.
  const child = spawn("runc", argv, { env: ENVIRONMENT, stdio: "pipe", detached: true });
  child.stdin.on("error", () => undefined); // the command may end without reading its input
  // Read at once: what Node finds unread when a process exits, it throws away.
  const [stdout, stderr] = [child.stdout.pipe(new PassThrough()), child.stderr.pipe(new PassThrough())];
  const { stdin } = child;
  return {
    stdin,
    stdout,
    stderr,
    exit: ending(child),
    drained: ended(stdout, stderr),
    leave: leaving(child),
  };
}

/**
 * runc carries everything between this terminal and one that it opens inside. The terminal is runc's controlling one:
 * should this process end without a word, the kernel hangs up on runc, and runc on the command.
 */
async function onTerminal(argv: readonly string[], { columns, rows }: Terminal): Promise<Runner> {
  const terminal = await openPseudoTerminal(columns, rows);
  const { programEnd, input, output } = terminal;
  const stdio = [programEnd, programEnd, programEnd];
  const child = spawn("setsid", ["--ctty", "runc", ...argv], { env: ENVIRONMENT, stdio });
  terminal.handOver();
  const stderr = new PassThrough();
  stderr.end();
  return {
    stdin: input,
    stdout: output,
    stderr,
    exit: ending(child),
    drained: ended(output, stderr),
    leave: leaving(child),
    resize(newColumns, newRows) {
      if (!isSize(newColumns) || !isSize(newRows)) return;
      terminal.resize(newColumns, newRows, child.pid);
    },
  };
}

function ended(...outputs: readonly Readable[]): Promise<unknown> {
  const ends = Promise.all(outputs.map((output) => once(output, "end")));
  ends.catch(() => undefined); // told by `exit`
  return ends;
}

function leaving(child: ChildProcess): () => void {
  return () => {
    child.kill("SIGKILL");
  };
}

async function commandFiles(sliver: SliverPlaces): Promise<CommandFiles> {
  await ensureCommands(sliver);
  const name = join(sliver.commands, randomBytes(8).toString("hex"));
  return { process: `${name}.json`, log: `${name}.log`, pid: `${name}.pid` };
}

/** In the sliver's directory alone: made again where the sliver was removed just now, that would be half a sliver. */
async function ensureCommands({ commands, id }: SliverPlaces): Promise<void> {
  try {
    await mkdir(commands);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT")
      throw new Fault("NO_SLICE", `there is no sliver ${id} on this node; ensure it first`);
    if (code !== "EEXIST") throw error;
  }
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

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // it ended just now
  }
}

async function hasText(path: string): Promise<boolean> {
  return ((await readIfPresent(path))?.length ?? 0) > 0;
}
