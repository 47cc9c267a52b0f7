import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "#shared/model/errors.ts";
import { readIfPresent } from "#shared/runtime/durable-file.ts";
import type { Command, RunningCommand } from "../backend.ts";
import type { ImageProgram } from "../images/image-program.ts";
import { programFailure, runProgram } from "../machine/program.ts";
import { START_PROGRAMS } from "../programs/sliver-programs.ts";
import { execute } from "./inside/execution.ts";
import { imageProcess, ociProcess } from "./inside/oci-process.ts";
import type { NodePlaces, SliverPlaces } from "./places.ts";

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
    try {
      await this.#change(sliver, "end the sliver's processes", "delete", ["--force", sliver.container]);
    } catch (error) {
      // What it keeps is not whole after a loss of power, or tells of cgroups that the machine no longer has after an
      // upgrade. Whatever still runs ends with the cgroups there are.
      if (!programFailure(error)) throw error;
      await rm(join(this.#node.runc, sliver.container), { recursive: true, force: true });
    }
    await rm(sliver.lock);
  }

  /** Runs a command inside; see `execute`. */
  execute(sliver: SliverPlaces, command: Command): Promise<RunningCommand> {
    return execute((log) => this.#globals(log), sliver, command);
  }

  /**
   * Starts the sliver's programs, and does not wait for them. A sliver whose image has no shell any more runs
   * nevertheless: its owner sees that they do not.
   */
  async startPrograms(sliver: SliverPlaces): Promise<void> {
    await this.#startDetached(
      sliver,
      await ociProcess(sliver, { argv: START_PROGRAMS, workingDirectory: "/" }),
    );
  }

  /** Starts what an image without a shell says is to run. Nothing keeps it running, and its output is lost. */
  async startImageProgram(sliver: SliverPlaces, program: ImageProgram): Promise<void> {
    await this.#startDetached(sliver, await imageProcess(sliver, program));
  }

  /** What can't be started is no failure of the sliver: its owner sees that it does not run. */
  async #startDetached(sliver: SliverPlaces, process: object): Promise<void> {
    const description = join(sliver.bundle, "programs.json");
    await writeFile(description, JSON.stringify(process), { mode: 0o600 });
    const argv = ["exec", "--detach", "--process", description, sliver.container];
    try {
      await runProgram("start the sliver's programs", ["runc", ...this.#globals(sliver.log), ...argv], {
        detachedOutput: true,
      });
    } catch (error) {
      if (!programFailure(error)) throw error;
    }
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
}
