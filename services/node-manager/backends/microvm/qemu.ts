import { type ChildProcess, spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import type { SliverId } from "../backend.ts";
import { ENVIRONMENT } from "../machine/program.ts";
import type { Accelerator } from "./accelerator.ts";

export const QEMU = "qemu-system-x86_64";
/** Users of no account: beyond those that container managers give away (systemd's UIDS-GIDS), container slivers' too. */
const FIRST_USER = 0x7c00_0000;
/** How much translated code is kept, where the processor is emulated. */
const TRANSLATED_MIB = 32;

/**
 * Enters the cgroups that are named up to `--` and becomes the program behind it. When the machine itself has no memory
 * left, slivers go before the node manager.
 */
const ENTER_AND_BECOME =
  'echo 300 > /proc/self/oom_score_adj; while [ "$1" != -- ]; do echo 0 > "$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"';

/** A machine to emulate. */
export type Machine = {
  readonly name: string;
  readonly kernel: string;
  readonly initramfs: string;
  readonly accelerator: Accelerator;
  readonly memoryMib: number;
  readonly processors: number;
  /** Words for the kernel's command line besides those every machine has. */
  readonly words?: readonly string[];
  /** The rest of QEMU's options: disks, links, ports. */
  readonly devices?: readonly string[];
};

/** QEMU's options for a machine without anything that is not needed. */
export function machineOptions(machine: Machine): string[] {
  const { accelerator } = machine;
  return [
    ...["-name", machine.name, "-no-user-config", "-nodefaults", "-no-reboot"],
    ...["-display", "none", "-serial", "none", "-monitor", "none"],
    // Memory of this kind is given in small pages: what is never used is never taken from the machine.
    ...["-object", `memory-backend-memfd,id=memory,size=${machine.memoryMib}M`],
    ...["-M", "microvm,rtc=on,isa-serial=off,memory-backend=memory"],
    ...["-accel", accelerator.kind === "tcg" ? `tcg,tb-size=${TRANSLATED_MIB}` : accelerator.kind],
    ...["-cpu", accelerator.kind === "kvm" ? "host" : "qemu64"],
    ...["-m", `${machine.memoryMib}`, "-smp", `${machine.processors}`],
    ...["-kernel", machine.kernel, "-initrd", machine.initramfs],
    ...[
      "-append",
      ["quiet", "reboot=t", "panic=-1", ...accelerator.words, ...(machine.words ?? [])].join(" "),
    ],
    ...(machine.devices ?? []),
  ];
}

/**
 * The process opens what it needs, and is then an ordinary user of its own that sees an empty directory, may start no
 * program and no other process.
 */
export function confinement(id: SliverId, nothing: string): string[] {
  const user = FIRST_USER + (Number.parseInt(id.slice(0, 8), 16) >>> 7); // up to 0x7dff_ffff
  const calls = "on,obsolete=deny,spawn=deny,resourcecontrol=deny";
  return ["-sandbox", calls, "-chroot", nothing, "-runas", `${user}:${user}`];
}

/** A QEMU that was started. It belongs to no node manager: it goes on when this one ends. */
export type Started = {
  readonly process: ChildProcess;
  /** What it said before it ended, if it has. It says nothing that anybody hears once `heard` was called. */
  readonly complaint: Promise<string>;
  heard(): void;
};

/** Starts a QEMU in `directory`, to which paths among its options may relate, and in these cgroups. */
export function startQemu(
  directory: string,
  cgroups: readonly string[],
  options: readonly string[],
): Started {
  const argv = [
    "-c",
    ENTER_AND_BECOME,
    "sh",
    ...cgroups,
    "--",
    "setpriv",
    "--no-new-privs",
    QEMU,
    ...options,
  ];
  const child = spawn("sh", argv, {
    cwd: directory,
    env: ENVIRONMENT,
    stdio: ["ignore", "ignore", "pipe"],
    detached: true,
  });
  const complaint = text(child.stderr).catch((error: Error) => error.message);
  child.unref();
  return { process: child, complaint, heard: () => child.stderr.destroy() };
}
