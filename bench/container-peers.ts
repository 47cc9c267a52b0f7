import { execFile, execFileSync, spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const PATIENCE = { timeout: 120_000, maxBuffer: 2 ** 26 };
/** What runs in every peer's container: nothing. */
const IDLE = ["/bin/sleep", "1000000"] as const;

/** Something that starts containers, to be held against ours. */
export type Peer = AsyncDisposable & {
  readonly name: string;
  start(number: number): Promise<unknown>;
  end(number: number): Promise<unknown>;
};

export type PeerNeeds = {
  /** Where the peer may keep what it makes; on a file system that can carry an overlay. */
  readonly directory: string;
  /** The root directory of the image that all of them share. */
  readonly image: string;
};

export function isInstalled(program: string): boolean {
  try {
    execFileSync("sh", ["-c", `command -v ${program}`]);
    return true;
  } catch (error) {
    if ((error as { status?: number }).status === undefined) throw error;
    return false;
  }
}

/** The steps no container can do without, run by a script. */
export async function bareSteps({ directory, image }: PeerNeeds): Promise<Peer> {
  const script = new URL("bare-sliver.sh", import.meta.url).pathname;
  const place = (number: number) => join(directory, `bare${number}`);
  const spec = join(directory, "spec");
  await mkdir(spec, { recursive: true });
  await run("runc", ["spec", "--bundle", spec], PATIENCE);
  const { default: config } = await import(join(spec, "config.json"), { with: { type: "json" } });
  config.process = { ...config.process, terminal: false, args: IDLE };
  config.root = { path: "root", readonly: false };
  return {
    name: "the bare steps by hand",
    async start(number) {
      await mkdir(place(number), { recursive: true });
      const limits = { memory: { limit: 128 * 2 ** 20 }, pids: { limit: 512 }, cpu: { shares: 102 } };
      const linux = { ...config.linux, cgroupsPath: `/bare${number}`, resources: limits };
      await writeFile(join(place(number), "config.json"), JSON.stringify({ ...config, linux }));
      await run(script, ["make", place(number), image, String(number)], PATIENCE);
    },
    end: (number) => run(script, ["end", place(number), image, String(number)], PATIENCE),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** LXC's own command, over an overlay of the same image, without network. */
export async function lxc({ directory, image }: PeerNeeds): Promise<Peer> {
  const place = join(directory, "lxc");
  return {
    name: "lxc-start (no network)",
    async start(number) {
      const own = join(place, `bench${number}`);
      await mkdir(join(own, "delta"), { recursive: true });
      const lines = {
        "lxc.rootfs.path": `overlayfs:${image}:${join(own, "delta")}`,
        "lxc.uts.name": "bench",
        "lxc.init.cmd": IDLE.join(" "),
        "lxc.net.0.type": "empty",
        "lxc.apparmor.profile": "unconfined",
        "lxc.mount.auto": "proc:mixed sys:ro",
      };
      const config = Object.entries(lines).map(([key, value]) => `${key} = ${value}\n`);
      await writeFile(join(own, "config"), config.join(""));
      await run("lxc-start", ["-P", place, "-n", `bench${number}`], PATIENCE);
    },
    end: (number) => run("lxc-destroy", ["-f", "-P", place, "-n", `bench${number}`], PATIENCE),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** Podman over its own storage, without network. */
export async function podman({ directory, image }: PeerNeeds): Promise<Peer> {
  const globals = ["--root", join(directory, "podman"), "--runroot", join(directory, "podman-run")];
  const own = [...globals, "--cgroup-manager", "cgroupfs", "--runtime", "runc"];
  await imported(["podman", ...own], image);
  const name = (number: number) => `bench${number}`;
  const options = ["-d", "--network=none", "--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096"];
  return {
    name: "podman run -d (no network)",
    start: (number) => run("podman", [...own, "run", ...options, "--name", name(number), "bench", ...IDLE]),
    end: (number) => run("podman", [...own, "rm", "-f", "-t", "0", name(number)], PATIENCE),
    async [Symbol.asyncDispose]() {
      await run("umount", [join(directory, "podman/overlay")]); // a mount of it on itself, which it leaves
    },
  };
}

/** Docker by a daemon of its own, in a network namespace of its own, where its bridge and rules bother nobody. */
export async function docker({ directory, image }: PeerNeeds): Promise<Peer> {
  const [root, socket, network] = [
    join(directory, "docker"),
    join(directory, "docker.sock"),
    "slicelab-bench",
  ];
  await run("ip", ["netns", "add", network]);
  const places = [
    "--data-root",
    join(root, "data"),
    "--exec-root",
    join(root, "exec"),
    "-p",
    join(root, "pid"),
  ];
  const inside = ["--net=/run/netns/slicelab-bench", "dockerd", ...places, "-H", `unix://${socket}`];
  const daemon = spawn("nsenter", inside, { stdio: "ignore" });
  const client = ["-H", `unix://${socket}`];
  const ended = new Promise((resolve) => daemon.once("exit", resolve));
  await answering(() => run("docker", [...client, "version"], PATIENCE));
  await imported(["docker", ...client], image);
  const name = (number: number) => `bench${number}`;
  return {
    name: "docker run -d",
    start: (number) =>
      run("docker", [...client, "run", "-d", "--name", name(number), "bench", ...IDLE], PATIENCE),
    end: (number) => run("docker", [...client, "rm", "-f", name(number)], PATIENCE),
    async [Symbol.asyncDispose]() {
      daemon.kill("SIGTERM");
      await ended;
      await run("ip", ["netns", "delete", network]);
    },
  };
}

/** Makes the image `bench` from a root directory. */
async function imported([program, ...globals]: readonly string[], image: string): Promise<void> {
  const quoted = [program, ...globals].map((word) => `'${word}'`).join(" ");
  await run("sh", ["-c", `tar -C '${image}' -c . | ${quoted} import - bench`], PATIENCE);
}

async function answering(ask: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await ask();
      return;
    } catch (error) {
      if (attempt === 150) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
