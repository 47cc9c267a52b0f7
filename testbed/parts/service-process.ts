import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { OperatorError } from "#shared/model/errors.ts";
import { type Announcement, announcementOf, EXIT_WITH_PARENT } from "#shared/runtime/lifecycle.ts";

/** How a service of the testbed is run. */
export type ServiceCommand = {
  /** How it is called in messages, e.g. "node manager 127.0.1.1". */
  readonly name: string;
  /** Program and arguments, the program relative to the project. */
  readonly argv: readonly [program: string, ...rest: string[]];
  /** The network namespace it runs in, if not the machine's own. */
  readonly namespace?: string;
  /** Lets everything else go first where processors are short. */
  readonly patient?: true;
  /** Where its log goes; added to. */
  readonly logFile: string;
};

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));

/** How long a service has to end when it is asked to. */
const PATIENCE_MILLISECONDS = 30_000;

/**
 * A service as a process of its own, so that it can be killed and started again. It ends with the testbed, however the
 * testbed ends: the pipe to its standard input breaks.
 */
export class ServiceProcess implements AsyncDisposable {
  readonly command: ServiceCommand;
  readonly announcement: Announcement;
  readonly #child: ChildProcess;

  private constructor(command: ServiceCommand, child: ChildProcess, announcement: Announcement) {
    this.command = command;
    this.#child = child;
    this.announcement = announcement;
  }

  /** Starts the service and returns when it serves. */
  static async start(command: ServiceCommand): Promise<ServiceProcess> {
    const log = await open(command.logFile, "a", 0o600);
    const [file, ...args] = fullCommand(command);
    const child = spawn(file!, args, {
      cwd: PROJECT,
      env: { ...process.env, [EXIT_WITH_PARENT]: "1" },
      stdio: ["pipe", "pipe", log.fd],
      detached: true, // a terminal's Ctrl-C is for the testbed, which then ends its services in order
    });
    child.stdin!.on("error", () => {}); // broken once the service has ended: nothing is ever written to it
    await log.close();
    try {
      return new ServiceProcess(command, child, await announcementOf(child));
    } catch (cause) {
      const said = await lastWords(command.logFile);
      throw new OperatorError(`the ${command.name} did not start: ${said} (log: ${command.logFile})`, {
        cause,
      });
    }
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Settles when the process has ended, with what it ended by. */
  async ended(): Promise<string> {
    if (this.alive) await once(this.#child, "exit");
    return this.#child.signalCode ?? `exit code ${this.#child.exitCode}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.alive) this.#child.kill("SIGTERM");
    // A service that somebody stopped (SIGSTOP) hears of nothing less.
    const killing = setTimeout(() => this.#child.kill("SIGKILL"), PATIENCE_MILLISECONDS);
    await this.ended();
    clearTimeout(killing);
    this.#child.stdin!.destroy();
  }
}

/** What a service that could not run gave as the reason: the last line of its log, or the error of a crash. */
async function lastWords(logFile: string): Promise<string> {
  const lines = (await readFile(logFile, "utf8")).trimEnd().split("\n");
  const line = (lines.at(-1)?.startsWith("Node.js v") && lines.findLast(isError)) || (lines.at(-1) ?? "");
  try {
    const { err, msg } = JSON.parse(line) as { err?: { message?: string }; msg?: string };
    return err?.message ?? msg ?? line;
  } catch (error) {
    if (error instanceof SyntaxError) return line; // not of the log's making: a crash, or a program's own words
    throw error;
  }
}

function isError(line: string): boolean {
  return /^\w*Error\b/.test(line);
}

/** The whole command line: what a person types, in the project's directory, to start the service by hand. */
export function fullCommand({ argv, namespace, patient }: ServiceCommand): string[] {
  const yielding = patient ? ["nice", "-n", "10"] : [];
  const enter = namespace ? ["nsenter", `--net=/run/netns/${namespace}`, "--"] : [];
  return [...yielding, ...enter, process.execPath, ...argv];
}
