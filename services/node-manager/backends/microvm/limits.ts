import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "#shared/model/errors.ts";
import type { SliverPlan } from "../backend.ts";
import type { Cgroups } from "../machine/cgroups.ts";
import { isThere } from "../machine/presence.ts";
import { PERIOD_MICROSECONDS, type ProcessorShare, processorShare } from "../machine/processor-share.ts";

/** What the kernel inside takes of a microvm's memory. The sliver gets it besides what its plan says. */
const KERNEL_MIB = 72;
/** What the emulator takes for itself: its program, its buffers, and translated code where the processor is emulated. */
const EMULATOR_MIB = 96;
const MIB = 1024 * 1024;
const THREADS = 64;
const STARTING_SHARES = 1024;

/** The memory the microvm sees. */
export function machineMemoryMib(plan: SliverPlan): number {
  return plan.resources.memoryMib + KERNEL_MIB;
}

/** Makes the cgroup a microvm's process starts in, and gives its directories in all hierarchies. */
export async function makeCgroup(cgroups: Cgroups, name: string, plan: SliverPlan): Promise<string[]> {
  const made = new Set<string>();
  for (const controller of ["cpu", "cpuacct", "memory", "pids"] as const) {
    const hierarchy = await cgroups.hierarchyOf(controller);
    if (!hierarchy && controller === "cpuacct") continue; // one with cpu, where there is one hierarchy for all
    if (!hierarchy) throw new Fault("BACKEND_FAILED", `the node's machine has no ${controller} cgroup`);
    const directory = join(hierarchy, name);
    await mkdir(directory, { recursive: true });
    made.add(directory);
  }
  const limits = (await isUnified(cgroups)) ? unified(plan) : separate(plan);
  for (const [file, value] of limits) {
    const [controller] = file.split(".") as ["cpu" | "memory" | "pids"];
    const directory = join((await cgroups.hierarchyOf(controller))!, name);
    // Swap is only counted by machines that were told to.
    if (!file.includes("sw") || (await isThere(join(directory, file))))
      await writeFile(join(directory, file), String(value));
  }
  return [...made];
}

/**
 * Gives a microvm the weight of its plan. It starts with that of a whole core: its start is its node's work, and on a
 * busy node a small guarantee would make it take a minute.
 */
export async function settleWeight(cgroups: Cgroups, name: string, plan: SliverPlan): Promise<void> {
  const directory = join((await cgroups.hierarchyOf("cpu"))!, name);
  const { shares } = processorOf(plan);
  const [file, value] = (await isUnified(cgroups)) ? ["cpu.weight", weight(shares)] : ["cpu.shares", shares];
  await writeFile(join(directory, `${file}`), String(value));
}

async function isUnified(cgroups: Cgroups): Promise<boolean> {
  return isThere(join((await cgroups.hierarchyOf("memory"))!, "cgroup.controllers"));
}

type Limits = readonly (readonly [file: string, value: string | number])[];

/** cgroup v1, in an order the kernel takes: memory before memory and swap together. */
function separate(plan: SliverPlan): Limits {
  return [
    ["cpu.cfs_period_us", PERIOD_MICROSECONDS],
    ["cpu.cfs_quota_us", processorOf(plan).quota ?? -1],
    ["cpu.shares", STARTING_SHARES],
    ["memory.limit_in_bytes", memory(plan)],
    ["memory.memsw.limit_in_bytes", memory(plan)],
    ["pids.max", THREADS],
  ];
}

/** cgroup v2. */
function unified(plan: SliverPlan): Limits {
  return [
    ["cpu.max", `${processorOf(plan).quota ?? "max"} ${PERIOD_MICROSECONDS}`],
    ["cpu.weight", weight(STARTING_SHARES)],
    ["memory.max", memory(plan)],
    ["memory.swap.max", 0],
    ["pids.max", THREADS],
  ];
}

function memory(plan: SliverPlan): number {
  return (machineMemoryMib(plan) + EMULATOR_MIB) * MIB;
}

function processorOf({ resources, ceilings }: SliverPlan): ProcessorShare {
  return processorShare(resources, ceilings);
}

/** As the OCI runtimes make one of the other. */
function weight(ofShares: number): number {
  return 1 + Math.floor(((ofShares - 2) * 9999) / 262_142);
}
