import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import type { Command, RunningCommand } from "#services/node-manager/backends/backend.ts";
import {
  type SshGateway,
  type SshGatewayOptions,
  type SshKey,
  startSshGateway,
} from "#services/node-manager/ssh/gateway.ts";
import { newSshKeyPair } from "#shared/identity/ssh-key.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { runToSuccess } from "#test/support/program.ts";

/** What an OpenSSH program came to. */
export type Ended = { readonly code: number | null; readonly out: string; readonly err: string };

/** A gateway on loopback, and people who have the unmodified OpenSSH client. */
export type SshLab = AsyncDisposable & {
  readonly gateway: SshGateway;
  /** Files of the people: keys, configuration, whatever a test puts there. */
  readonly directory: string;
  /** Keys of every slice's lease, now. */
  readonly keys: SshKey[];
  /** Slices that have slivers, and the slivers' ids. */
  readonly slices: Map<string, string>;
  /** What the gateway told the operator. */
  readonly events: { event: string; details: Readonly<Record<string, unknown>> }[];
  /** The file for `-F`: each slice is a host of its name. */
  readonly config: string;
  /** A new key that is let in and that the configuration names; gives the file of its private half. */
  newKey(type?: string, ...more: string[]): Promise<string>;
  /** Runs ssh, scp, sftp or rsync to its end. */
  run(program: string, args: readonly string[], options?: { input?: string | Buffer }): Promise<Ended>;
  ssh(...args: string[]): Promise<Ended>;
  /** Starts ssh and leaves it running; it is ended with the lab. */
  start(...args: string[]): ChildProcess;
};

export type SshLabOptions = Pick<SshGatewayOptions, "exec" | "connect" | "listen" | "limits"> & {
  readonly slices?: Readonly<Record<string, string>>;
};

const SLICES = { oceanstore: "00000000000000aa" };

export async function sshLab(options: SshLabOptions): Promise<SshLab> {
  await using owned = new AsyncDisposableStack();
  const directory = owned.use(await temporaryDirectory()).path;
  const keys: SshKey[] = [];
  const slices = new Map(Object.entries(options.slices ?? SLICES));
  const events: SshLab["events"] = [];
  const gateway = owned.use(
    await startSshGateway({
      ...options,
      host: "127.0.0.1",
      port: 0,
      hostKey: newSshKeyPair().privateKey,
      keysOf: (slice) => (slices.has(slice) ? keys : []),
      sliverOf: (slice) => (slices.has(slice) ? { id: slices.get(slice)! } : undefined),
      log: (event, details) => events.push({ event, details }),
    }),
  );
  const children = new Set<ChildProcess>();
  owned.defer(() => {
    for (const child of children) child.kill("SIGKILL");
  });
  const [config, knownHosts] = [join(directory, "config"), join(directory, "known_hosts")];
  await writeFile(knownHosts, `[127.0.0.1]:${gateway.port} ${gateway.publicKey}\n`);
  const identities: string[] = [];

  async function writeConfig(): Promise<void> {
    const settings = [
      ...["HostName 127.0.0.1", `Port ${gateway.port}`, `UserKnownHostsFile ${knownHosts}`],
      ...["StrictHostKeyChecking yes", "BatchMode yes", "IdentitiesOnly yes", "LogLevel ERROR"],
      ...identities.map((file) => `IdentityFile ${file}`),
    ];
    const hosts = [...slices.keys(), "stranger"].map((slice) => `Host ${slice}\n  User ${slice}\n`);
    await writeFile(config, `${hosts.join("")}Host *\n${settings.map((line) => `  ${line}\n`).join("")}`);
  }

  function started(program: string, args: readonly string[]): ChildProcess {
    const command = program === "rsync" ? ["-e", `ssh -F ${config}`] : ["-F", config];
    const child = spawn(program, [...command, ...args], { cwd: directory });
    children.add(child);
    child.once("close", () => children.delete(child));
    return child;
  }

  async function run(program: string, args: readonly string[], { input = "" as string | Buffer } = {}) {
    const child = started(program, args);
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout!.on("data", (chunk) => out.push(chunk));
    child.stderr!.on("data", (chunk) => err.push(chunk));
    child.stdin!.on("error", () => undefined); // it may end without reading it
    child.stdin!.end(input);
    const [code] = (await once(child, "close")) as [number | null];
    return { code, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() };
  }

  const lab = { gateway, directory, keys, slices, events, config, run };
  const kept = owned.move();
  return {
    ...lab,
    async newKey(type = "ed25519", ...more) {
      const file = join(directory, `key-${identities.length}-${type}`);
      await runToSuccess("ssh-keygen", ["-q", "-t", type, ...more, "-N", "", "-f", file]);
      const [keyType, blob] = (await readFile(`${file}.pub`, "utf8")).split(" ");
      keys.push({ type: keyType!, blob: blob! });
      identities.push(file);
      await writeConfig();
      return file;
    },
    ssh: (...args) => run("ssh", args),
    start: (...args) => started("ssh", args),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Runs commands as plain processes of this machine, where the gateway is what is tested and not an engine. */
export type LocalExec = {
  readonly exec: (id: string, command: Command) => Promise<RunningCommand>;
  readonly commands: Command[];
  /** Signals that commands were sent, in order. */
  readonly signals: (NodeJS.Signals | undefined)[];
  /** How many of them run now. */
  readonly running: number;
};

export function localExec(): LocalExec {
  const [commands, signals]: [Command[], (NodeJS.Signals | undefined)[]] = [[], []];
  let running = 0;
  return {
    commands,
    signals,
    get running() {
      return running;
    },
    async exec(_id, command) {
      commands.push(command);
      const [file, ...args] = command.argv;
      const env = { ...command.env, PATH: process.env.PATH, HOME: "/" };
      const child = spawn(file!, args, { env, cwd: "/", detached: true });
      running += 1;
      const exit = once(child, "close").then((ended) => {
        running -= 1;
        const [code, signal] = ended as [number | null, NodeJS.Signals | null];
        return { code: code ?? 128 + constants.signals[signal!] };
      });
      return {
        stdin: child.stdin,
        stdout: child.stdout,
        stderr: child.stderr,
        exit,
        kill(signal) {
          signals.push(signal);
          if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, signal);
        },
      };
    },
  };
}
