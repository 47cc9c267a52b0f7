import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { promisify } from "node:util";
import { Daemon } from "#services/node-manager/backends/docker/daemon.ts";
import { unmountAll } from "#services/node-manager/backends/machine/mounts.ts";
import { isThere } from "#testbed/packages.ts";
import { eventually, within } from "./deadline.ts";
import { temporaryDirectory } from "./directory.ts";

const run = promisify(execFile);

/** A Docker daemon of a test's own, in a network of its own: nothing of the machine's is touched by it. */
export type DockerDaemon = AsyncDisposable & {
  readonly socket: string;
  /** The name of the network namespace in which the ports of its containers are. */
  readonly namespace: string;
  /** An address there. */
  readonly address: string;
  /** Ends the daemon, and its containers with it. */
  stop(): Promise<void>;
  start(): Promise<void>;
};

/** A daemon, or why none can be started here: then tests that need one are skipped. */
export async function dockerIfPossible(): Promise<
  { daemon: DockerDaemon; skip: false } | { daemon?: never; skip: string }
> {
  const lack = whatLacks();
  if (lack) return { skip: lack };
  try {
    return { daemon: await dockerDaemon(), skip: false };
  } catch (error) {
    return { skip: `no Docker daemon can be started here: ${(error as Error).message}` };
  }
}

function whatLacks(): string | false {
  if (process.getuid?.() !== 0) return "a Docker daemon needs root";
  const missing = ["dockerd", "containerd", "runc", "ip", "nsenter", "catatonit", "tar"].filter(
    (name) => !isThere(name),
  );
  return missing.length > 0 && `there is no ${missing.join(", ")} (on Debian: apt-get install docker.io)`;
}

async function dockerDaemon(): Promise<DockerDaemon> {
  const temporary = await temporaryDirectory();
  const directory = temporary.path;
  const namespace = `slvdk${randomBytes(4).toString("hex")}`;
  await run("ip", ["netns", "add", namespace]);
  await run("ip", ["-n", namespace, "link", "set", "lo", "up"]);
  const socket = join(directory, "socket");
  const said: string[] = [];
  let daemon: ChildProcess | undefined;

  async function start(): Promise<void> {
    const places = ["--data-root", join(directory, "data"), "--exec-root", join(directory, "exec")];
    const network = ["--iptables=false", "--ip6tables=false", "--bip=172.31.250.1/24"];
    const argv = ["dockerd", ...places, "-p", join(directory, "pid"), "-H", `unix://${socket}`, ...network];
    // Not by `ip netns exec`, which would hide the machine's cgroups from it.
    const child = spawn("nsenter", [`--net=/var/run/netns/${namespace}`, "--", ...argv], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    daemon = child;
    child.stderr.on("data", (text) => said.push(String(text)));
    const ended = once(child, "exit").then(() => {
      throw new Error(`dockerd ended: ${said.join("").trim().split("\n").at(-1)}`);
    });
    ended.catch(() => undefined); // only while it is being started
    const answer = eventually(() => Daemon.find(socket), { what: "a Docker daemon's answer" });
    await Promise.race([answer, ended]);
  }

  async function stop(): Promise<void> {
    if (!daemon || daemon.exitCode !== null) return;
    const ended = once(daemon, "exit");
    daemon.kill("SIGTERM");
    await within(ended, { what: "the end of dockerd", withinMs: 30_000 });
  }

  async function dispose(): Promise<void> {
    await stop();
    await unmountAll(directory); // a daemon leaves the name of its own network namespace
    await run("ip", ["netns", "delete", namespace]);
    await temporary[Symbol.asyncDispose]();
  }

  try {
    await start();
  } catch (error) {
    daemon?.kill("SIGKILL");
    await dispose();
    throw error;
  }
  return { socket, namespace, address: "127.0.0.1", start, stop, [Symbol.asyncDispose]: dispose };
}
