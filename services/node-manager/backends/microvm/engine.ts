import { mkdir, readdir, realpath, rename, rm, stat } from "node:fs/promises";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import type { Backend, Command, RunningCommand, SliverId, SliverPlan, Usage } from "../backend.ts";
import { type NodePlaces, nodePlaces, sliverOf } from "../container/places.ts";
import type { Image } from "../images/images.ts";
import { type ImageOffer, openImages, statementOf } from "../images/offered-images.ts";
import { imageOfSliver, type OfferedImages } from "../images/sliver-image.ts";
import { Cgroups } from "../machine/cgroups.ts";
import { deleteTree } from "../machine/mounts.ts";
import { isThere } from "../machine/presence.ts";
import { endProcess, isAlive, type ProcessName, readProcessName, waitUntil } from "../machine/process.ts";
import { Turns } from "../machine/turns.ts";
import { TAPS } from "../network/address-block.ts";
import { Network } from "../network/network.ts";
import { findAccelerator } from "./accelerator.ts";
import { readAccount } from "./account.ts";
import { startCommand } from "./command.ts";
import { listenInside, openConnection } from "./connection.ts";
import { ensureImageFile, forgetRemovedImages } from "./image-file.ts";
import { ensureKernel } from "./kernel.ts";
import { AgentLink } from "./link.ts";
import { AGENT_SOCKET, type MicrovmPlaces, microvmPlaces } from "./places.ts";
import { STEPS, type Start } from "./steps.ts";

/** The least memory in which a shell can start, and the least disk a file system fits on. */
const LEAST_MEMORY_MIB = 16;
const LEAST_DISK_MIB = 16;
/** How long a sliver that is stopped may take to end in order. */
const POWER_OFF_MILLISECONDS = 5_000;

const EMULATED =
  "the processors of microvms are emulated, ten times slower than this machine's own: its KVM does not run them";

/** The kernel is kept beside the machine's images. */
export type MicrovmOptions = ImageOffer & {
  /** The node's short id: 8 hex digits. Everything made on the machine carries it. */
  readonly node: string;
  /** Where slivers' disks lie. */
  readonly stateDirectory: string;
  readonly egressKbps?: number;
  readonly address?: string;
  /** Told after each step of starting a sliver; what it throws ends the start there, as a crash would. */
  readonly onStep?: (step: string) => void;
};

/**
 * Slivers as virtual machines of their own: the isolation kernel of the papers ("Plan A"), as QEMU's smallest machine
 * with Debian's kernel, over the same images as containers.
 *
 * The only memory is the machine itself, as with containers: slivers run without any node manager, and the next one
 * finds them by their directories and process names.
 */
export async function microvmBackend(options: MicrovmOptions): Promise<Backend> {
  await mkdir(options.stateDirectory, { recursive: true, mode: 0o755 });
  const node = nodePlaces(await realpath(options.stateDirectory), options.node);
  await mkdir(node.slivers, { recursive: true, mode: 0o700 });
  const { imagesDirectory, onStep } = options;
  const images = await openImages(options, { holder: `${node.node}-microvm`, slivers: node.slivers });
  const kernel = await ensureKernel(imagesDirectory);
  await forgetRemovedImages(imagesDirectory);
  for (const image of images.values()) await ensureImageFile(imagesDirectory, image);
  const accelerator = await findAccelerator(imagesDirectory, kernel);
  const network = await Network.open(node, { ...options, links: TAPS });
  const machine = { kernel, accelerator, network, cgroups: await Cgroups.find() };
  const notes = [...(accelerator.kind === "tcg" ? [EMULATED] : []), ...(await network.notes())];
  return new MicrovmBackend(node, { images, imagesDirectory, onStep, notes }, machine);
}

type Machine = Pick<Start, "kernel" | "accelerator" | "network" | "cgroups">;
type Choices = Pick<MicrovmOptions, "onStep"> &
  OfferedImages & {
    readonly notes: readonly string[];
  };

class MicrovmBackend implements Backend {
  readonly statement;
  readonly #node: NodePlaces;
  readonly #choices: Choices;
  readonly #machine: Machine;
  readonly #turns = new Turns();
  readonly #links = new Map<SliverId, AgentLink>();

  constructor(node: NodePlaces, choices: Choices, machine: Machine) {
    this.statement = {
      engine: "microvm",
      simulated: false,
      ...statementOf(choices.images),
      abilities: [
        ...([
          "terminal",
          "forwarding",
          "ports",
          "disk-bound",
          "weak-root",
          "programs",
          "own-kernel",
        ] as const),
        ...(machine.network.sharesFairly ? (["fair-egress"] as const) : []),
      ],
      notes: choices.notes,
    } as const;
    this.#node = node;
    this.#choices = choices;
    this.#machine = machine;
  }

  async ensure(plan: SliverPlan): Promise<void> {
    const { memoryMib, diskMib } = plan.resources;
    const least = `a microvm needs ${LEAST_MEMORY_MIB} MiB of memory and ${LEAST_DISK_MIB} MiB of disk to start`;
    const enough = memoryMib >= LEAST_MEMORY_MIB && diskMib >= LEAST_DISK_MIB;
    refuseUnless(enough, "BACKEND_FAILED", `${least}; ask for more`);
    refuseUnless(!plan.administrative, "BACKEND_FAILED", "a microvm cannot see its node; use containers");
    const sliver = microvmPlaces(this.#node, plan.id);
    await this.#turns.take(plan.id, async () => {
      if (await isRunning(sliver)) return;
      const image = await imageOfSliver(
        sliver.image,
        plan.image ?? this.statement.defaultImage,
        this.#choices,
      );
      await this.#deleteGone(sliver);
      await this.#halt(sliver);
      await this.#start(plan, sliver, image);
    });
  }

  async stop(id: SliverId): Promise<void> {
    const sliver = microvmPlaces(this.#node, id);
    await this.#turns.take(id, async () => {
      const machine = await runningProcess(sliver);
      if (machine) await this.#powerOff(sliver, machine);
      await this.#halt(sliver);
    });
  }

  async remove(id: SliverId): Promise<void> {
    const sliver = microvmPlaces(this.#node, id);
    await this.#turns.take(id, async () => {
      await this.#halt(sliver);
      await this.#deleteGone(sliver);
      // From here on the disk is never started again, wherever its deletion is interrupted.
      if (await isThere(sliver.directory)) await rename(sliver.directory, sliver.gone);
      await this.#deleteGone(sliver);
    });
  }

  async list() {
    const ids = new Set((await readdir(this.#node.slivers)).map(sliverOf).filter((id) => id !== undefined));
    return Promise.all(
      Array.from(ids, async (id) => {
        const running = await isRunning(microvmPlaces(this.#node, id));
        return { id, state: running ? ("running" as const) : ("stopped" as const) };
      }),
    );
  }

  async exec(id: SliverId, command: Command): Promise<RunningCommand> {
    const sliver = await this.#running(id);
    return startCommand(this.#linkOf(sliver), command, await readAccount(sliver.login, command.user));
  }

  async connect(id: SliverId, host: string, port: number) {
    return openConnection(this.#linkOf(await this.#running(id)), host, port);
  }

  async listen(id: SliverId, port: number) {
    return listenInside(this.#linkOf(await this.#running(id)), port);
  }

  addresses(): ReadonlyMap<string, SliverId> {
    return this.#machine.network.addresses();
  }

  async usage(id: SliverId): Promise<Usage> {
    const sliver = await this.#known(id);
    const running = await isRunning(sliver);
    const [counted, processes, diskBytes, network] = await Promise.all([
      this.#machine.cgroups.usage(sliver.name),
      running ? this.#linkOf(sliver).countProcesses() : 0,
      bytesOnDisk(sliver.disk),
      this.#machine.network.usage(id),
    ]);
    return { ...counted, processes, diskBytes, network };
  }

  async #start(plan: SliverPlan, sliver: MicrovmPlaces, image: Image): Promise<void> {
    const imageFile = await ensureImageFile(this.#choices.imagesDirectory, image);
    const start: Start = { ...this.#machine, plan, sliver, image, imageFile, link: this.#linkOf(sliver) };
    try {
      for (const step of STEPS) {
        await step.take(start);
        this.#choices.onStep?.(step.name);
      }
    } finally {
      start.started?.heard();
    }
  }

  async #powerOff(sliver: MicrovmPlaces, machine: ProcessName): Promise<void> {
    try {
      await this.#linkOf(sliver).powerOff(POWER_OFF_MILLISECONDS);
    } catch (error) {
      if (!(error instanceof Fault)) throw error; // its agent does not answer: it is ended as it is
      return;
    }
    await waitUntil(async () => !(await isAlive(machine)), POWER_OFF_MILLISECONDS, 20);
  }

  /** Undoes every step of a start but the disk itself, whichever of them were taken. */
  async #halt(sliver: MicrovmPlaces): Promise<void> {
    if (!(await isThere(sliver.directory))) return;
    const machine = await readProcessName(sliver.running);
    await rm(sliver.running, { force: true });
    if (machine) await endProcess(machine);
    this.#links.get(sliver.id)?.close();
    this.#links.delete(sliver.id);
    await this.#machine.cgroups.remove(sliver.name);
    await this.#machine.network.disconnect(sliver);
    await rm(sliver.initramfs, { force: true });
    await rm(`${sliver.directory}/${AGENT_SOCKET}`, { force: true });
  }

  async #deleteGone(sliver: MicrovmPlaces): Promise<void> {
    if (await isThere(sliver.gone)) await deleteTree(sliver.gone);
  }

  #linkOf(sliver: MicrovmPlaces): AgentLink {
    const link = this.#links.get(sliver.id) ?? new AgentLink(sliver.directory, AGENT_SOCKET);
    this.#links.set(sliver.id, link);
    return link;
  }

  async #running(id: SliverId): Promise<MicrovmPlaces> {
    const sliver = await this.#known(id);
    refuseUnless(await isRunning(sliver), "BACKEND_FAILED", `the sliver ${id} is stopped; ensure it first`);
    return sliver;
  }

  async #known(id: SliverId): Promise<MicrovmPlaces> {
    const sliver = microvmPlaces(this.#node, id);
    const known = await isThere(sliver.directory);
    if (!known) throw new Fault("NO_SLICE", `there is no sliver ${id} on this node; ensure it first`);
    return sliver;
  }
}

async function isRunning(sliver: MicrovmPlaces): Promise<boolean> {
  return (await runningProcess(sliver)) !== undefined;
}

/** The sliver's machine, if the sliver's start came to its end and the machine still runs. */
async function runningProcess(sliver: MicrovmPlaces): Promise<ProcessName | undefined> {
  const machine = await readProcessName(sliver.running);
  return machine && (await isAlive(machine)) ? machine : undefined;
}

/** Of a disk that is not there yet: none. */
async function bytesOnDisk(disk: string): Promise<number> {
  try {
    return (await stat(disk)).blocks * 512;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
}
