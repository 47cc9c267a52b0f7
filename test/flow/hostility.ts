import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { eventually } from "#test/support/deadline.ts";
import { type Footprint, footprintOf, tracksOf } from "#test/support/leftovers.ts";
import type { ProgramResult } from "#test/support/program.ts";
import { type TestbedProcess, testbedProcess } from "#test/support/testbed.ts";

const SMALL = ["--nodes", "1", "--lease", "1h", "--memory", "128M", "--disk", "64M"];
/** What the node writes, or looks at, on a sliver's disk. */
const PLACES = "/etc/hosts /etc/resolv.conf /etc/hostname /var/lib/slicelab /home/hostile";
/** How long an attack may rage, in seconds. */
const RAGE = 1;

/** Whether there are no more processes in a sliver than those of somebody who looks. */
const FEW_PROCESSES = '[ "$(ls /proc | grep -c "^[0-9]")" -lt 12 ]';

/** What of the machine nobody in a sliver may change. */
const SWITCHES = [
  "/proc/sys/kernel/hostname",
  "/proc/sys/kernel/panic",
  "/proc/sys/kernel/core_pattern",
  "/proc/sys/vm/overcommit_memory",
  "/proc/sys/fs/file-max",
];

/** What somebody might try who is root in a sliver: each a script that ends by itself or is ended. */
export const ATTACKS = {
  "forks without end": `f() { f | f & }; f; sleep ${RAGE}`,
  "takes all memory it can get": "head -c 4G /dev/zero | tail -c 4G | wc -c",
  "fills shared memory": "cat /dev/zero > /dev/shm/full; rm /dev/shm/full",
  "fills its disk": "cat /dev/zero > /full; sync; rm /full",
  "makes files without end": `cd /tmp; mkdir many; i=0; end=$(($(date +%s) + ${RAGE})); while [ $(date +%s) -lt $end ]; do i=$((i+1)); seq -f "many/$i.%g" 500 | xargs touch; done; rm -rf many`,
  "opens all files it can": `perl -e 'my @f; for (1..2e5) { open my $h, "<", "/dev/null" or last; push @f, $h } print scalar(@f); sleep ${RAGE}'`,
  "takes all terminals it can": `perl -e 'my @t; for (1..5000) { open my $h, "+<", "/dev/ptmx" or last; push @t, $h } print scalar(@t); sleep ${RAGE}'`,
  "makes sockets and queues without end": `perl -MSocket -e 'my @s; for (1..2e5) { socket my $h, PF_INET, SOCK_STREAM, 0 or last; push @s, $h } print scalar(@s)'; ipcmk -M 1G; ipcmk -Q; true`,
  "writes switches of the kernel": `for f in ${SWITCHES.join(" ")} /proc/sysrq-trigger /sys/kernel/mm/transparent_hugepage/enabled; do echo 1 > $f; done`,
  "makes devices and mounts":
    "mknod /disk b 254 0 && cat /disk; mknod /kmsg c 1 11 && cat /kmsg; mount -t cgroup none /mnt; mount -t sysfs none /mnt; mount --bind / /mnt",
  "asks for namespaces of its own":
    "unshare -Urm true; unshare -r true; unshare -n true; nsenter -t 1 -a true",
  "looks for processes it could trace":
    "for p in $(ls /proc | grep -E '^[0-9]+$'); do cat /proc/$p/environ /proc/$p/mem; done; true",
  "puts links where the node writes and measures": `for p in ${PLACES}; do rm -rf $p; ln -s ../../../../../../etc $p; done`,
  "calls what the kernel should not do for it":
    "perl -e 'for my $n (0..460) { next if grep { $_ == $n } 34,35,56,57,58,59,60,61,62,200,231,234,424,129; my $pid = fork; if (!$pid) { alarm 1; syscall($n, 0, 0, 0, 0, 0, 0); exit 0 } waitpid $pid, 0 }'",
  "ends every process it sees, the first too": "kill -KILL 1; kill -KILL -1",
} as const;

/** One node with two slivers: a hostile one, and a victim that belongs to somebody else. */
export class HostileLab implements AsyncDisposable {
  readonly #lab: TestbedProcess;
  #before: { footprint: Footprint; outside: readonly string[] } | undefined;

  private constructor(lab: TestbedProcess) {
    this.#lab = lab;
  }

  static async open(): Promise<HostileLab> {
    const lab = new HostileLab(await testbedProcess({ nodes: 1, engine: "container" }));
    await lab.slice("bob", "create", "victim", ...SMALL);
    await lab.slice("alice", "create", "hostile", ...SMALL);
    lab.#before = { footprint: await lab.footprint(), outside: outside() };
    return lab;
  }

  async slice(who: "alice" | "bob", ...args: string[]): Promise<string> {
    const { code, out, err } = await this.#lab.command(who, ...args);
    assert.equal(code, 0, `slice ${args.join(" ")}: ${err}`);
    return out;
  }

  /** Runs a script as the hostile sliver's root for a moment, and ends whatever it left running. */
  async attack(script: string): Promise<void> {
    // What it leaves behind must not hold its output, or the command would last as long as that does.
    const quiet = `exec > /dev/null 2>&1 < /dev/null; ${script}`;
    await this.#inside("sudo", "timeout", "-s", "KILL", String(RAGE + 1), "sh", "-c", quiet);
    // Whoever comes in may themselves be what the kernel ends, while there is no memory and no process left to have.
    const calmed = async () => {
      await this.#inside("sudo", "kill", "-KILL", "-1");
      return (await this.#inside("sh", "-c", FEW_PROCESSES)).code === 0;
    };
    await eventually(calmed, { what: "the end of what an attack left running" });
  }

  async #inside(...command: string[]): Promise<ProgramResult> {
    return await this.#lab.command("alice", "exec", "hostile", "--deadline", "20s", "--", ...command);
  }

  /** The neighbour works, the node answers, and the machine is as it was. */
  async nothingHappened(): Promise<void> {
    const pulse = ["sh", "-c", "echo well > ~/pulse && cat ~/pulse"];
    assert.match(await this.slice("bob", "exec", "victim", "--", ...pulse), /well/);
    assert.match(await this.slice("alice", "status", "hostile"), /running/);
    assert.deepEqual({ footprint: await this.footprint(), outside: outside() }, this.#before);
  }

  /** What the testbed has on the machine; processes inside slivers come and go. */
  async footprint(): Promise<Footprint> {
    return { ...(await footprintOf(tracksOf(this.#lab))), processes: [] };
  }

  async [Symbol.asyncDispose]() {
    await this.#lab[Symbol.asyncDispose]();
  }
}

/** What of the machine itself a sliver could reach if it could reach anything. */
function outside(): string[] {
  const listing = execFileSync("ls", ["-ln", "--time-style=full-iso", "/etc"]).toString();
  const files = ["/etc/passwd", "/etc/group", "/etc/hosts", ...SWITCHES].map((path) =>
    readFileSync(path, "utf8"),
  );
  return [listing, String(readdirSync("/").length), ...files];
}
