import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, realpath, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "#shared/model/errors.ts";
import type { Instant } from "#shared/model/time.ts";
import type { SliverPlan } from "../backend.ts";
import { Cgroups } from "../machine/cgroups.ts";
import { deleteTree, mountOverlay, unmountAll } from "../machine/mounts.ts";
import { lackOf, type Programs } from "../machine/presence.ts";
import { runProgram } from "../machine/program.ts";
import { containerBackend } from "./engine.ts";

/** What the engine runs, and the Debian package that has it. The rest is on every Debian machine. */
const PROGRAMS: Programs = {
  runc: "runc",
  catatonit: "catatonit",
  busybox: "busybox-static",
  mmdebstrap: "mmdebstrap",
  ip: "iproute2",
  nft: "nftables",
  tc: "iproute2",
  conntrack: "conntrack",
};

export type ProbeOptions = {
  readonly stateDirectory: string;
  readonly imagesDirectory: string;
  readonly now: () => Instant;
};

/**
 * Whether this machine can make container slivers; if not, why, as the end of a sentence and what would help. `notes`:
 * what they have not here, as sentences.
 */
export type Probe =
  | { readonly ok: true; readonly notes?: readonly string[] }
  | { readonly ok: false; readonly reason: string };

/** Finds out by trying: after the machine's usual lacks, by making one sliver and removing it. */
export async function probeContainerEngine(options: ProbeOptions): Promise<Probe> {
  const machine = await probeMachine(options);
  return machine.ok ? trySliver(options) : machine;
}

/** As `probeContainerEngine`, but only what the machine must have: says nothing of whether the engine itself works. */
export function probeMachine(options: ProbeOptions): Promise<Probe> {
  const looks = [lookForRoot, () => lackOf(PROGRAMS), lookForCgroups, lookForNamespaces, tryOverlay];
  return firstReason(looks, options);
}

type Reason = string | undefined;
type Look = (options: ProbeOptions) => Reason | Promise<Reason>;

async function firstReason(looks: readonly Look[], options: ProbeOptions): Promise<Probe> {
  for (const look of looks) {
    const reason = await look(options);
    if (reason !== undefined) return { ok: false, reason };
  }
  return { ok: true };
}

function lookForRoot(): Reason {
  return process.getuid?.() === 0 ? undefined : "containers need root; run it as root";
}

async function lookForCgroups(): Promise<Reason> {
  const cgroups = await Cgroups.find();
  for (const controller of ["cpu", "memory", "pids"] as const) {
    const hierarchy = await cgroups.hierarchyOf(controller);
    if (!hierarchy)
      return `there is no ${controller} cgroup to limit slivers with; mount the cgroup file system`;
    const trial = join(hierarchy, `slicelab-probe-${randomBytes(4).toString("hex")}`);
    const writable = await succeeds(async () => {
      await mkdir(trial);
      await rmdir(trial);
    });
    if (!writable) return `the ${controller} cgroups may not be changed here; mount them writable`;
  }
  return undefined;
}

async function lookForNamespaces(): Promise<Reason> {
  const kinds = ["--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--fork"];
  const allowed = await succeeds(() => runProgram("make namespaces", ["unshare", ...kinds, "true"]));
  return allowed ? undefined : "namespaces can't be made here; run it where root may (with CAP_SYS_ADMIN)";
}

async function tryOverlay({ stateDirectory }: ProbeOptions): Promise<Reason> {
  await mkdir(stateDirectory, { recursive: true });
  const place = await mkdtemp(join(await realpath(stateDirectory), "probe-"));
  const [lower, upper, work, point] = ["lower", "upper", "work", "point"].map((name) => join(place, name));
  try {
    for (const directory of [lower, upper, work, point]) await mkdir(directory!);
    const mounted = await succeeds(() => mountOverlay(point!, [lower!], upper!, work!));
    return mounted
      ? undefined
      : "an overlay can't be mounted on the state directory; choose one on ext4 or xfs";
  } finally {
    await unmountAll(place);
    await deleteTree(place);
  }
}

async function trySliver({ stateDirectory, imagesDirectory, now }: ProbeOptions): Promise<Probe> {
  const place = await mkdtemp(join(await realpath(stateDirectory), "probe-"));
  const node = randomBytes(4).toString("hex");
  try {
    const options = { node, stateDirectory: place, imagesDirectory, images: ["busybox"] as const, now };
    const backend = await containerBackend(options);
    const resources = { cpuMillis: 0, memoryMib: 64, diskMib: 0, egressKbps: 0 };
    const plan: SliverPlan = { id: randomBytes(8).toString("hex"), slice: "probe", resources, ceilings: {} };
    try {
      await backend.ensure(plan);
    } finally {
      await backend.remove(plan.id);
      await backend.close?.();
    }
    const { notes = [] } = backend.statement;
    return { ok: true, ...(notes.length > 0 && { notes }) };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { ok: false, reason: `a trial sliver could not be made: ${firstCause(error)}` };
  } finally {
    await deleteTree(place);
  }
}

/** What the kernel or a program said: this is read on the machine itself, by whoever sets it up. */
function firstCause(error: Error): string {
  return error.cause instanceof Error ? firstCause(error.cause) : error.message;
}

async function succeeds(trial: () => Promise<unknown>): Promise<boolean> {
  try {
    await trial();
    return true;
  } catch (error) {
    if (error instanceof Fault || (error as NodeJS.ErrnoException).syscall) return false;
    throw error;
  }
}
