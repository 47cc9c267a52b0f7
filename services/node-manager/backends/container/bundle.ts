import type { SliverPlan } from "../backend.ts";
import { processorShare } from "../machine/processor-share.ts";
import { confinementOf } from "./administrative.ts";
import { OWN_USERS_CAPABILITIES, READ_ONLY_PATHS } from "./confinement.ts";
import { IDS_PER_SLIVER } from "./users/id-blocks.ts";

/** Where a sliver's first program lies inside it: in /dev, which is no part of its disk, so it can't be lost. */
const INIT_INSIDE = "/dev/init";
/** How many processes a sliver may have at once. */
export const PROCESSES = 512;
/** Soft and hard limit alike: runc built with Go 1.19 raises the one to the other, sometimes after setting them. */
export const OPEN_FILES = 65536;
/** The order in which the kernel ends processes when the machine itself has no memory left: slivers' before ours. */
export const OOM_SCORE = 300;

export const ENVIRONMENT = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  LANG: "C.UTF-8",
} as const;

export type BundleNeeds = {
  readonly plan: SliverPlan;
  /** User and group n of the sliver are `base` + n outside; 0: it has no users of its own. */
  readonly base: number;
  /** The name of the sliver's cgroup, beneath the root of every hierarchy. */
  readonly cgroup: string;
  /** The directory on which the sliver's disk is mounted. */
  readonly root: string;
  /** The program on the machine that becomes the sliver's first process. */
  readonly init: string;
  readonly countsSwap: boolean;
  /** The hard limit of open files of this process: more can't be given where it may not be raised. */
  readonly openFiles: number;
  /** What the image adds to every command's environment, and changes in it. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
};

/** A sliver as runc understands it: the `config.json` of the OCI runtime specification 1.0.2. */
export function bundle({
  plan,
  base,
  cgroup,
  root,
  init,
  countsSwap,
  openFiles,
  environment,
}: BundleNeeds): object {
  const limit = plan.resources.memoryMib * 1024 * 1024;
  const { namespaces, capabilities, seccomp, maskedPaths, sysctl } = confinementOf(plan.administrative);
  return {
    ociVersion: "1.0.2",
    root: { path: root, readonly: false },
    hostname: plan.slice,
    process: firstProcess(
      openFiles,
      base === 0 ? capabilities : [...capabilities, ...OWN_USERS_CAPABILITIES],
      environment,
    ),
    mounts: mounts(init, plan.resources.memoryMib),
    linux: {
      ...namespacesOf(namespaces, base),
      cgroupsPath: `/${cgroup}`,
      resources: {
        devices: [{ allow: false, access: "rwm" }],
        cpu: processorShare(plan.resources, plan.ceilings),
        // Memory and swap together are not more than memory alone: no swap.
        memory: { limit, ...(countsSwap ? { swap: limit } : {}) },
        pids: { limit: PROCESSES },
      },
      sysctl,
      seccomp,
      maskedPaths,
      readonlyPaths: READ_ONLY_PATHS,
    },
  };
}

/** With users of its own, all other namespaces are theirs, and their root is the machine's nobody. */
function namespacesOf(own: readonly string[], base: number): object {
  const types = [...own, ...(base === 0 ? [] : ["user"])];
  const mapping = [{ containerID: 0, hostID: base, size: IDS_PER_SLIVER }];
  return {
    namespaces: types.map((type) => ({ type })),
    ...(base === 0 ? {} : { uidMappings: mapping, gidMappings: mapping }),
  };
}

/** Every command of the sliver starts from this, too: the environment of a login without a terminal. */
function firstProcess(
  openFiles: number,
  capabilities: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): object {
  const limit = Math.min(OPEN_FILES, openFiles);
  return {
    terminal: false,
    user: { uid: 0, gid: 0 },
    args: [INIT_INSIDE, "-P"],
    cwd: "/",
    env: Object.entries({ ...ENVIRONMENT, ...environment }).map(([name, value]) => `${name}=${value}`),
    capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    rlimits: [{ type: "RLIMIT_NOFILE", soft: limit, hard: limit }],
    oomScoreAdj: OOM_SCORE,
    noNewPrivileges: false,
  };
}

function mounts(init: string, memoryMib: number): object[] {
  const quiet = ["nosuid", "noexec", "nodev"];
  // As on any machine. It counts as the sliver's memory, which ending programs would not free.
  const sharedMemory = `size=${Math.floor(memoryMib / 2)}m`;
  return [
    { destination: "/proc", type: "proc", source: "proc", options: quiet },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=64k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    { destination: "/dev/shm", type: "tmpfs", source: "shm", options: [...quiet, "mode=1777", sharedMemory] },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: quiet },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: [...quiet, "ro"] },
    { destination: INIT_INSIDE, type: "bind", source: init, options: ["bind", "ro", "nosuid", "nodev"] },
  ];
}
