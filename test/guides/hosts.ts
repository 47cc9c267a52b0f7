import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ROOT } from "../structure/source.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../support/directory.ts";
import { type ProgramResult, runProgram, runToSuccess } from "../support/program.ts";

/** A machine of a test: with its own network, processes, /etc, /opt, /root, /usr/local and /var/lib. */
export type Host = {
  /** Types one command, as root. */
  run(command: string, env?: Readonly<Record<string, string>>): Promise<ProgramResult>;
};

export type Hosts = AsyncDisposable & { at(name: string): Host };

/** Nothing here runs for longer, whatever becomes of the test. */
const SECONDS = 170;

/** For one command, in seconds: less than its caller's, so that it is told which one hangs. */
const PATIENCE = "25";

/** The machine's own directories, under a layer that is the host's and forgotten with it. */
const LAYERS = `mount --make-rprivate / && mount -t tmpfs tmpfs /mnt && for d in etc opt root usr/local var/lib; do
  mkdir -p /mnt/upper/$d /mnt/work/$d &&
  mount -t overlay overlay -o lowerdir=/$d,upperdir=/mnt/upper/$d,workdir=/mnt/work/$d /$d || exit 1; done
mkdir -p /opt/slicelab && mount --bind "$1" /opt/slicelab && mkdir -p /etc/systemd/system &&
ip link set lo up && echo ready && exec sleep ${SECONDS}`;

/**
 * What is not on trial: packages and accounts of the machine are there already, and services are started as their units
 * say, without systemd, which no test machine runs.
 */
const STAND_INS: Readonly<Record<string, string>> = {
  git: "exit 0",
  npm: "exit 0",
  "apt-get": "exit 0",
  runuser: `[ "$2" = postgres ] && exit 0
shift 3; exec "$@"`,
  systemctl: `[ "$1" = enable ] || exit 0
shift 2
for name; do
  unit=/etc/systemd/system/$name.service
  log=/mnt/$name.log
  mkdir -p /var/lib/$(sed -n s/^StateDirectory=//p $unit)
  env=$(sed -n s/^EnvironmentFile=-//p $unit)
  ( set -a; if [ -e "$env" ]; then . "$env"; fi; set +a
    exec setsid $(sed -n s/^ExecStart=//p $unit) ) >$log 2>&1 </dev/null &
  service=$!
  until grep -q '"ready":' $log; do
    kill -0 $service 2>/dev/null || { cat $log >&2; exit 1; }
    sleep 0.1
  done
done`,
};

/** Machines on one network, by their names and addresses: 192.0.2.0/24, which is nobody's (RFC 5737). */
export async function hosts(
  addresses: Readonly<Record<string, string>>,
  env: (name: string) => Readonly<Record<string, string>>,
): Promise<Hosts> {
  await using owned = new AsyncDisposableStack();
  const directory = owned.use(await temporaryDirectory());
  const path = `${await standIns(directory)}:/usr/local/bin:${process.env.PATH}`;
  const middle = owned.use(
    await holder(
      ["-n"],
      `ip link add middle type bridge && ip link set middle up && echo ready && exec sleep ${SECONDS}`,
    ),
  );
  const there = new Map<string, Host>();
  for (const [name, address] of Object.entries(addresses)) {
    const { pid } = owned.use(await holder(["-m", "-n", "-p", "--mount-proc"], LAYERS));
    await connect(middle.pid, pid, address, there.size);
    const enter = ["-t", String(pid), "-m", "-n", "-p", "timeout", "-k1", PATIENCE, "bash", "-c"];
    const own = { ...env(name), PATH: path, HOME: "/root" };
    there.set(name, {
      run: (command, more = {}) =>
        runProgram("nsenter", [...enter, `cd; ${command}`], { env: { ...own, ...more } }),
    });
  }
  const kept = owned.move();
  return {
    at(name) {
      const host = there.get(name);
      if (!host) throw new TypeError(`there is no host ${name}`);
      return host;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function standIns({ path }: TemporaryDirectory): Promise<string> {
  const bin = join(path, "stand-ins");
  await mkdir(bin);
  for (const [name, script] of Object.entries(STAND_INS)) {
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(bin, name), 0o755);
  }
  return bin;
}

type Holder = AsyncDisposable & { readonly pid: number };

/** A process that keeps namespaces; with it, whatever runs in them ends. */
async function holder(flags: readonly string[], script: string): Promise<Holder> {
  const args = [...flags, "--fork", "--kill-child=SIGKILL", "bash", "-c", script, "host", ROOT];
  const unshare = spawn("unshare", args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(unshare, "exit");
  const line = once(createInterface({ input: unshare.stdout }), "line");
  await Promise.race([
    line,
    ended.then(() => Promise.reject(new Error("a host of the test could not be made"))),
  ]);
  return {
    pid: await childOf(unshare),
    async [Symbol.asyncDispose]() {
      unshare.kill("SIGKILL");
      await ended;
    },
  };
}

async function childOf({ pid }: ChildProcess): Promise<number> {
  return Number((await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim());
}

async function connect(middle: number, host: number, address: string, index: number): Promise<void> {
  const inside = (pid: number, ...args: string[]) =>
    runToSuccess("nsenter", ["-t", String(pid), "-n", "ip", ...args]);
  const port = `port${index}`;
  await inside(middle, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", String(host));
  await inside(middle, "link", "set", port, "master", "middle", "up");
  await inside(host, "address", "add", `${address}/24`, "dev", "eth0");
  await inside(host, "link", "set", "eth0", "up");
}
