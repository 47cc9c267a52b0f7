import { readdir, readFile, readlink, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Capability } from "#shared/model/capability.ts";
import { Fault } from "#shared/model/errors.ts";
import { isAlive, readProcessName } from "../machine/process.ts";
import { CAPABILITIES, MASKED_PATHS, MOUNT_CALLS, systemCallFilter } from "./confinement.ts";
import { type NodePlaces, type SliverPlaces, sliverOf, sliverPlaces } from "./places.ts";
import { IDS_PER_SLIVER } from "./users/id-blocks.ts";

/**
 * What makes a sliver administrative (paper §4.3): it sees the node's processes and is in the node's network, and root
 * inside has some capabilities more, which count on the node itself, since there is no user namespace between. Its disk,
 * name and limits are its own as any sliver's (docs/decisions/0010).
 */

type Meaning = {
  /** Its number in the kernel (linux/capability.h). */
  readonly number: number;
  /** System calls other slivers are refused that mean nothing without it. */
  readonly calls?: readonly string[];
  /** Files other slivers find empty. */
  readonly paths?: readonly string[];
};

/** What has to be opened for a capability to be worth anything. */
const MEANING: Readonly<Record<Capability, Meaning>> = {
  CAP_NET_RAW: { number: 13 },
  CAP_NET_ADMIN: { number: 12 },
  CAP_SYS_PTRACE: { number: 19, calls: ["kcmp"] },
  CAP_SYS_NICE: { number: 23, calls: ["mbind", "set_mempolicy", "migrate_pages", "move_pages"] },
  CAP_SYS_RESOURCE: { number: 24 },
  CAP_SYS_ADMIN: {
    number: 21,
    calls: [...MOUNT_CALLS, "mount_setattr", "open_tree_attr", "pivot_root", "setns", "fanotify_init"],
  },
  CAP_SYS_TIME: {
    number: 25,
    calls: ["settimeofday", "clock_settime", "clock_settime64", "stime", "clock_adjtime", "clock_adjtime64"],
  },
  CAP_DAC_READ_SEARCH: { number: 2, calls: ["open_by_handle_at"] },
  CAP_AUDIT_READ: { number: 37 },
  CAP_SYSLOG: { number: 34, calls: ["syslog"], paths: ["/proc/kallsyms", "/proc/kmsg"] },
  CAP_BPF: { number: 39, calls: ["bpf"] },
  CAP_PERFMON: { number: 38, calls: ["perf_event_open"] },
};

/** What of a sliver's bundle depends on whether it is administrative. */
export type Confinement = {
  /** Namespaces of its own; it is in the node manager's where one is not among these. */
  readonly namespaces: readonly string[];
  /** Everything root inside has: exactly these. */
  readonly capabilities: readonly string[];
  readonly seccomp: object;
  readonly maskedPaths: readonly string[];
  readonly sysctl: Readonly<Record<string, string>>;
};

/** Every group that a sliver can have may ping without the capability to make raw sockets. */
const OWN_NETWORK = { "net.ipv4.ping_group_range": `0 ${IDS_PER_SLIVER - 1}` };

export function confinementOf(administrative: readonly Capability[] | undefined): Confinement {
  if (!administrative) {
    return {
      namespaces: ["pid", "mount", "uts", "ipc", "network", "cgroup"],
      capabilities: CAPABILITIES,
      seccomp: systemCallFilter(),
      maskedPaths: MASKED_PATHS,
      sysctl: OWN_NETWORK,
    };
  }
  const meanings = administrative.map((capability) => MEANING[capability]);
  const paths = new Set(meanings.flatMap((meaning) => meaning.paths ?? []));
  return {
    namespaces: ["mount", "uts", "ipc", "cgroup"],
    capabilities: [...CAPABILITIES, ...administrative],
    seccomp: systemCallFilter(process.arch, new Set(meanings.flatMap((meaning) => meaning.calls ?? []))),
    maskedPaths: MASKED_PATHS.filter((path) => !paths.has(path)),
    sysctl: {},
  };
}

/** Throws BACKEND_FAILED unless the node manager itself may hand these capabilities on. */
export async function checkHeld(administrative: readonly Capability[]): Promise<void> {
  const status = await readFile("/proc/self/status", "utf8");
  const bounding = BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  const lacking = administrative.find((name) => !(bounding & (1n << BigInt(MEANING[name].number))));
  if (lacking)
    throw new Fault("BACKEND_FAILED", `this node itself does not have ${lacking}; take a ticket without it`);
}

/**
 * Administrative slivers are in the network namespace of the node manager that made them. Where that is not this one's
 * (the earlier one went with all its links), they count as stopped from here on, so that they are started again in it.
 */
export async function forgetMisplaced(node: NodePlaces): Promise<void> {
  const own = await readlink("/proc/self/ns/net");
  const ids = (await readdir(node.slivers)).filter((name) => sliverOf(name) === name);
  for (const sliver of ids.map((id) => sliverPlaces(node, id))) {
    const first = await readProcessName(sliver.running);
    if (!first || !(await isAlive(first)) || (await hasOwnNetwork(sliver))) continue;
    if ((await readlink(`/proc/${first.pid}/ns/net`)) !== own) await rm(sliver.running, { force: true });
  }
}

async function hasOwnNetwork(sliver: SliverPlaces): Promise<boolean> {
  const config = JSON.parse(await readFile(join(sliver.bundle, "config.json"), "utf8"));
  return config.linux.namespaces.some(({ type }: { type: string }) => type === "network");
}
