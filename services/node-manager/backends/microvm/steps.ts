import { mkdir, open, rename, rm, writeFile } from "node:fs/promises";
import { Fault } from "#shared/model/errors.ts";
import type { SliverPlan } from "../backend.ts";
import type { Image } from "../images/images.ts";
import { recordImage } from "../images/sliver-image.ts";
import type { Cgroups } from "../machine/cgroups.ts";
import { isThere } from "../machine/presence.ts";
import { nameProcess, writeProcessName } from "../machine/process.ts";
import { runProgram } from "../machine/program.ts";
import type { LinkEnds } from "../network/cables.ts";
import type { Network } from "../network/network.ts";
import { START_PROGRAMS } from "../programs/sliver-programs.ts";
import { seed } from "../seed/seed.ts";
import { type Accelerator, processorsFor } from "./accelerator.ts";
import { type Account, readAccount } from "./account.ts";
import { startDetached } from "./command.ts";
import { archive, entriesBeneath, fileEntry } from "./cpio.ts";
import type { Kernel } from "./kernel.ts";
import { machineMemoryMib, makeCgroup, settleWeight } from "./limits.ts";
import type { AgentLink } from "./link.ts";
import { AGENT_SOCKET, type MicrovmPlaces } from "./places.ts";
import { confinement, machineOptions, type Started, startQemu } from "./qemu.ts";

/** A machine whose processor is emulated, on a node where everybody starts at once, takes its time. */
const START_MILLISECONDS = 90_000;

/** What the steps of starting one microvm work with. */
export type Start = {
  readonly plan: SliverPlan;
  readonly sliver: MicrovmPlaces;
  readonly image: Image;
  /** The image as a file. */
  readonly imageFile: string;
  readonly kernel: Kernel;
  readonly accelerator: Accelerator;
  readonly cgroups: Cgroups;
  readonly network: Network;
  readonly link: AgentLink;
  /** Put there by the step that makes the sliver's link. */
  ends?: LinkEnds;
  /** Put there by the step that starts the machine. */
  started?: Started;
  /** Whether the sliver ran before, on the disk it has. */
  again?: boolean;
};

type Step = { readonly name: string; readonly take: (start: Start) => Promise<void> };

/**
 * How a sliver starts, on a new disk or on its old one. A crash may come between any two steps: nothing before the
 * last one counts as running, and `halt` undoes any number of them.
 */
export const STEPS: readonly Step[] = [
  {
    name: "directories",
    take: async ({ sliver }) => {
      for (const directory of [sliver.seed, sliver.nothing])
        await mkdir(directory, { recursive: true, mode: 0o755 });
    },
  },
  {
    name: "image",
    take: ({ sliver, image }) => recordImage(sliver.image, image),
  },
  {
    name: "seed",
    take: async ({ sliver, plan, image, network }) => {
      const login = await seed(sliver.seed, plan.slice, image, await network.resolvConf(plan));
      const account: Account = { login, environment: image.environment ?? {} };
      await writeFile(sliver.login, JSON.stringify(account), { mode: 0o600 });
    },
  },
  {
    name: "disk",
    take: async (start) => {
      start.again = await isThere(start.sliver.disk);
      if (!start.again) await makeDisk(start.sliver.disk, start.plan.resources.diskMib);
    },
  },
  {
    name: "network",
    take: async (start) => {
      start.ends = await start.network.prepare(start.sliver, start.plan);
    },
  },
  {
    name: "initramfs",
    take: async ({ sliver, kernel, ends }) => {
      const seeded = await entriesBeneath(sliver.seed, "seed");
      const link = ends && [fileEntry("network", `${ends.address} ${ends.gateway} ${ends.hardware.node}\n`)];
      const own = archive([...seeded, ...(link ?? [])]);
      await writeFile(sliver.initramfs, Buffer.concat([kernel.initramfs, own]), { mode: 0o600 });
    },
  },
  { name: "machine", take: startMachine },
  { name: "agent", take: greetAgent },
  {
    name: "programs",
    take: startPrograms,
  },
  {
    name: "running",
    take: async ({ sliver, plan, cgroups, started }) => {
      await settleWeight(cgroups, sliver.name, plan);
      const first = started?.process.pid && (await nameProcess(started.process.pid));
      if (!first) throw new Fault("BACKEND_FAILED", "the sliver's machine ended at once; try again");
      await writeProcessName(sliver.running, first);
    },
  },
];

/** A file of which only what is written takes room, and which never grows: there the sliver's disk ends. */
async function makeDisk(disk: string, mib: number): Promise<void> {
  const unfinished = `${disk}.unfinished`;
  {
    await using file = await open(unfinished, "w", 0o600);
    await file.truncate(mib * 1024 * 1024);
  }
  // Nothing is written that is zero anyway, and of a journal there is no more than such a disk needs.
  const sparse = "lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0";
  const options = ["-q", "-F", "-m", "0", "-b", "4096", "-J", "size=4", "-E", sparse];
  await runProgram("make the sliver's disk", ["mkfs.ext4", ...options, unfinished]);
  await rename(unfinished, disk);
}

async function startMachine(start: Start): Promise<void> {
  const { plan, sliver, kernel, accelerator, cgroups } = start;
  const { cpuMillis } = plan.resources;
  await rm(`${sliver.directory}/${AGENT_SOCKET}`, { force: true });
  const directories = await makeCgroup(cgroups, sliver.name, plan);
  const options = machineOptions({
    ...{ name: sliver.name, kernel: kernel.file, initramfs: sliver.initramfs, accelerator },
    memoryMib: machineMemoryMib(plan),
    processors: processorsFor(Math.max(cpuMillis, plan.ceilings.cpuMillis ?? 0)),
    devices: [...devices(start), ...confinement(sliver.id, sliver.nothing)],
  });
  start.started = startQemu(sliver.directory, directories, options);
}

function devices({ sliver, imageFile, ends }: Start): string[] {
  return [
    ...["-drive", `id=image,file=${imageFile},format=raw,if=none,readonly=on`],
    ...["-device", "virtio-blk-device,drive=image"],
    ...["-drive", `id=disk,file=${sliver.disk},format=raw,if=none,discard=unmap`],
    ...["-device", "virtio-blk-device,drive=disk"],
    ...["-device", "virtio-rng-device"],
    ...(ends ? linkDevices(ends) : []),
    ...["-chardev", `socket,id=agent,path=${AGENT_SOCKET},server=on,wait=off`],
    ...["-device", "virtio-serial-device", "-device", "virtserialport,chardev=agent,name=slicelab.agent"],
  ];
}

/** Packets are as large as they look: none is cut up behind the queue in which it waited for its turn. */
function linkDevices({ link, hardware }: LinkEnds): string[] {
  const small = "host_tso4=off,host_tso6=off,host_ufo=off";
  return [
    ...["-netdev", `tap,id=link,ifname=${link},script=no,downscript=no`],
    ...["-device", `virtio-net-device,netdev=link,mac=${hardware.sliver},${small}`],
  ];
}

async function greetAgent({ sliver, link, started }: Start): Promise<void> {
  const ended = new AbortController();
  started?.process.once("exit", () => ended.abort());
  try {
    await link.greet(START_MILLISECONDS, ended.signal);
  } catch (error) {
    started?.process.kill("SIGKILL"); // nobody would ever reach it
    const cause = new Error((await started?.complaint)?.slice(-2000), { cause: error });
    throw new Fault("BACKEND_FAILED", "the sliver's machine could not be started; try again", { cause });
  } finally {
    started?.heard();
  }
  await rm(sliver.initramfs, { force: true }); // it is in the machine's memory now
}

/** Does not wait for them. What can't be started is no failure of the sliver: its owner sees that it does not run. */
async function startPrograms({ sliver, image, link, again }: Start): Promise<void> {
  const account = await readAccount(sliver.login);
  const { program } = image;
  if (!program && !again) return;
  if (!account.login.withoutShell)
    return startDetached(link, { argv: START_PROGRAMS, workingDirectory: "/" }, account);
  if (!program) return;
  const login = { ...account.login, ...program.user };
  const env = { HOME: program.user.home, ...account.environment };
  await startDetached(link, { ...program, user: "root", env }, { ...account, login });
}
