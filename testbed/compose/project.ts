import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { OperatorError } from "#shared/model/errors.ts";
import { isThere } from "../packages.ts";

const run = promisify(execFile);
const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const LOUD_BYTES = 64 * 1024 ** 2;

export type Container = {
  /** What docker-compose.yml calls it. */
  readonly service: string;
  readonly id: string;
  /** Its first process, as the machine has it; 0: none. */
  readonly pid: number;
  readonly running: boolean;
  readonly exitCode: number;
  /** Absent: it has no health check. */
  readonly health?: string;
};

/** docker-compose.yml brought up under a name of its own, by Compose 1.29 or 2, whichever is there. */
export class Project {
  readonly #name: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #compose: readonly [string, ...string[]] = isThere("docker-compose")
    ? ["docker-compose"]
    : ["docker", "compose"];

  /** `settings` are variables of docker-compose.yml, and DOCKER_HOST. */
  constructor(name: string, settings: Readonly<Record<string, string>>) {
    this.#name = name;
    this.#env = { ...process.env, ...settings, DOCKER_BUILDKIT: "0", COMPOSE_DOCKER_CLI_BUILD: "0" };
  }

  /** Runs a Compose command to its end. Gives its stdout; throws OperatorError with what it said if it fails. */
  async compose(...argv: string[]): Promise<string> {
    const [program, ...first] = this.#compose;
    return this.#run(program, [...first, "--project-name", this.#name, ...argv]);
  }

  /** `docker compose run --rm shell …`, as a person types it, without a terminal. */
  shell(...argv: string[]): Promise<string> {
    return this.compose("run", "--rm", "-T", "shell", ...argv);
  }

  /** Runs a command in a container that there is, such as a shell that is kept. */
  exec(container: string, ...argv: string[]): Promise<string> {
    return this.docker("exec", container, ...argv);
  }

  /** A shell that stays until everything is taken down; gives its container's name. */
  async keepShell(): Promise<string> {
    const started = await this.compose("run", "--rm", "--no-deps", "--detach", "shell", "sleep", "infinity");
    return started.trim().split("\n").at(-1)!;
  }

  docker(...argv: string[]): Promise<string> {
    return this.#run("docker", argv);
  }

  /** Those of services; not those of `run`. */
  async containers(): Promise<Container[]> {
    const ids = await this.#ids("ps", "--all", "--filter", "label=com.docker.compose.oneoff=False");
    if (ids.length === 0) return [];
    const inspected = JSON.parse(await this.docker("inspect", ...ids)) as Inspected[];
    return inspected.map(({ Id: id, Config, State }) => ({
      id,
      service: Config.Labels["com.docker.compose.service"]!,
      ...{ pid: State.Pid, running: State.Running, exitCode: State.ExitCode },
      ...(State.Health && { health: State.Health.Status }),
    }));
  }

  /** Containers, volumes and networks that there still are. */
  async remains(): Promise<string[]> {
    const kinds = [
      ["ps", "--all"],
      ["volume", "ls"],
      ["network", "ls"],
    ];
    return (await Promise.all(kinds.map((kind) => this.#ids(...kind)))).flat();
  }

  async #ids(...argv: string[]): Promise<string[]> {
    const own = `label=com.docker.compose.project=${this.#name}`;
    const listed = await this.docker(...argv, "--quiet", "--filter", own);
    return listed.split("\n").filter((line) => line !== "");
  }

  async #run(program: string, argv: readonly string[]): Promise<string> {
    const options = { cwd: PROJECT, env: this.#env, maxBuffer: LOUD_BYTES };
    const running = run(program, argv, options);
    running.child.stdin?.end();
    try {
      return (await running).stdout;
    } catch (error) {
      const { stderr = "", stdout = "" } = error as { stderr?: string; stdout?: string };
      throw new OperatorError(`${program} ${argv.join(" ")} failed:\n${(stdout + stderr).trim()}`, {
        cause: error,
      });
    }
  }
}

/** As `docker inspect` tells them. */
type Inspected = {
  readonly Id: string;
  readonly Config: { readonly Labels: Readonly<Record<string, string>> };
  readonly State: {
    readonly Pid: number;
    readonly Running: boolean;
    readonly ExitCode: number;
    readonly Health?: { readonly Status: string };
  };
};

/** Makes the images for sites without a registry at the daemon of `host`; gives the variables that name them. */
export async function offlineImages(host: string): Promise<Record<string, string>> {
  const making = spawn(process.execPath, ["testbed/compose/offline-images.ts"], {
    ...{ cwd: PROJECT, env: { ...process.env, DOCKER_HOST: host } },
    stdio: ["ignore", "pipe", 2],
  });
  const ended = once(making, "exit");
  const printed = await making.stdout!.setEncoding("utf8").toArray();
  const [code] = await ended;
  if (code !== 0) throw new OperatorError("the images could not be made");
  const lines = printed.join("").trim().split("\n");
  return Object.fromEntries(lines.map((line) => line.split("=", 2) as [string, string]));
}
