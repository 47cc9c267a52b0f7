import { readdir, rename, rm } from "node:fs/promises";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import type { Backend, SliverId, SliverPlan } from "../backend.ts";
import type { Image } from "../images/images.ts";
import { statementOf } from "../images/offered-images.ts";
import { imageOfSliver, type OfferedImages } from "../images/sliver-image.ts";
import type { Cgroups } from "../machine/cgroups.ts";
import { deleteTree } from "../machine/mounts.ts";
import { isThere } from "../machine/presence.ts";
import { openFilesLimit, type ProcessName, readProcessName } from "../machine/process.ts";
import { Turns } from "../machine/turns.ts";
import type { Network } from "../network/network.ts";
import { checkHeld } from "./administrative.ts";
import { unmountDisk } from "./disk/mapped-disk.ts";
import type { Storage } from "./disk/storage.ts";
import { endFirstProcess } from "./ending.ts";
import { FirstProcesses } from "./first-processes.ts";
import type { Outposts } from "./inside/outpost.ts";
import { type NodePlaces, type SliverPlaces, sliverOf, sliverPlaces } from "./places.ts";
import type { Runc } from "./runc.ts";
import { STEPS } from "./steps.ts";
import type { IdBlocks } from "./users/id-blocks.ts";

const INIT = "/usr/bin/catatonit";
/** The least memory in which runc can start a sliver at all, and a shell in it. */
const LEAST_MEMORY_MIB = 16;

/** The parts of the machine the engine makes things in. */
export type Machine = {
  /** Absent where slivers can't have users of their own. */
  readonly blocks: IdBlocks | undefined;
  readonly runc: Runc;
  readonly cgroups: Cgroups;
  readonly network: Network;
  readonly storage: Storage;
  readonly outposts: Outposts;
};

/** What a container backend is opened with. */
export type ContainerParts = OfferedImages & {
  /** What slivers here do without, for whoever runs the node. */
  readonly notes: readonly string[];
  /** Told after each step of starting a sliver; what it throws ends the start there, as a crash would. */
  readonly onStep?: (step: string) => void;
};

/** Slivers as containers, over parts of the machine that are open. */
export class ContainerBackend implements Backend {
  readonly statement;
  readonly #node: NodePlaces;
  readonly #offered: OfferedImages;
  readonly #machine: Machine;
  readonly #onStep: ((step: string) => void) | undefined;
  readonly #turns = new Turns();
  readonly #firsts = new FirstProcesses();

  constructor(
    node: NodePlaces,
    { images, imagesDirectory, onStep, notes }: ContainerParts,
    machine: Machine,
  ) {
    this.statement = {
      engine: "container",
      simulated: false,
      ...statementOf(images),
      abilities: [
        "terminal",
        "forwarding",
        "ports",
        "administrative",
        "programs",
        ...(machine.network.sharesFairly ? (["fair-egress"] as const) : []),
        ...(machine.storage.bounds ? (["disk-bound"] as const) : []),
        ...(machine.blocks ? (["weak-root"] as const) : []),
      ],
      notes,
    } as const;
    this.#node = node;
    this.#offered = { images, imagesDirectory };
    this.#machine = machine;
    this.#onStep = onStep;
  }

  async ensure(plan: SliverPlan): Promise<void> {
    refuseUnless(
      plan.resources.memoryMib >= LEAST_MEMORY_MIB,
      "BACKEND_FAILED",
      `a container needs ${LEAST_MEMORY_MIB} MiB of memory to start; ask for more`,
    );
    if (plan.administrative) await checkHeld(plan.administrative);
    const sliver = sliverPlaces(this.#node, plan.id);
    await this.#turns.take(plan.id, async () => {
      if (await this.#firsts.of(sliver)) {
        const { storage } = this.#machine;
        return await storage.bound(await storage.placesOf(sliver), plan.resources.diskMib);
      }
      const image = await imageOfSliver(
        sliver.image,
        plan.image ?? this.statement.defaultImage,
        this.#offered,
      );
      await this.#deleteGone(sliver);
      await this.#halt(sliver);
      await this.#start(plan, sliver, image);
      await this.#firsts.of(sliver);
    });
  }

  async stop(id: SliverId): Promise<void> {
    const sliver = sliverPlaces(this.#node, id);
    await this.#turns.take(id, () => this.#halt(sliver));
  }

  async remove(id: SliverId): Promise<void> {
    const sliver = sliverPlaces(this.#node, id);
    await this.#turns.take(id, async () => {
      await this.#halt(sliver);
      await this.#deleteGone(sliver);
      // From here on the disk is never started again, wherever its deletion is interrupted.
      if (await isThere(sliver.directory)) await rename(sliver.directory, sliver.gone);
      await this.#deleteGone(sliver);
      await this.#deleteDisk(sliver); // a loss of power can take the directory and leave the disk
    });
  }

  async list() {
    const names = await Promise.all([readdir(this.#node.slivers), this.#machine.storage.names()]);
    const ids = new Set(
      names
        .flat()
        .map(sliverOf)
        .filter((id) => id !== undefined),
    );
    return Promise.all(
      Array.from(ids, async (id) => {
        const running = await this.#firsts.of(sliverPlaces(this.#node, id));
        return { id, state: running ? ("running" as const) : ("stopped" as const) };
      }),
    );
  }

  ended(): SliverId[] {
    return this.#firsts.ended();
  }

  async exec(id: SliverId, command: Parameters<Backend["exec"]>[1]) {
    const { sliver } = await this.#running(id);
    return this.#machine.runc.execute(sliver, command);
  }

  async connect(id: SliverId, host: string, port: number) {
    const { sliver, first } = await this.#running(id);
    return this.#machine.outposts.of(sliver, first).connect(host, port);
  }

  async listen(id: SliverId, port: number) {
    const { sliver, first } = await this.#running(id);
    return this.#machine.outposts.of(sliver, first).listen(port);
  }

  addresses(): ReadonlyMap<string, SliverId> {
    return this.#machine.network.addresses();
  }

  async usage(id: SliverId, { withoutDisk = false }: Parameters<Backend["usage"]>[1] = {}) {
    const { storage } = this.#machine;
    const sliver = await this.#known(id);
    const [counted, diskBytes, network] = await Promise.all([
      this.#machine.cgroups.usage(sliver.container),
      withoutDisk ? 0 : storage.placesOf(sliver).then((places) => storage.used(places)),
      this.#machine.network.usage(id),
    ]);
    return { ...counted, diskBytes, network };
  }

  async close(): Promise<void> {
    await this.#machine.storage.close();
  }

  async #start(plan: SliverPlan, places: SliverPlaces, image: Image): Promise<void> {
    const { cgroups, blocks, ...machine } = this.#machine;
    const own = plan.administrative ? {} : { blocks }; // who sees the whole node is one of its users
    const sliver = await machine.storage.placesOf(places);
    const [countsSwap, openFiles] = await Promise.all([cgroups.countsSwap(), openFilesLimit()]);
    for (const step of STEPS) {
      await step.take({ ...machine, ...own, plan, sliver, image, init: INIT, countsSwap, openFiles });
      this.#onStep?.(step.name);
    }
  }

  /** Undoes every step of a start but the disk itself, whichever of them were taken. */
  async #halt(sliver: SliverPlaces): Promise<void> {
    if (!(await isThere(sliver.directory))) return;
    this.#firsts.forget(sliver.id);
    const first = await readProcessName(sliver.running);
    await rm(sliver.running, { force: true });
    if (first) await endFirstProcess(first); // runc would ask only ten times a second whether it has ended
    this.#firsts.forget(sliver.id); // whoever asked meanwhile saw it alive
    const { network, runc, cgroups, outposts } = this.#machine;
    outposts.end(sliver.id);
    await network.disconnect(sliver);
    await runc.end(sliver);
    await cgroups.remove(sliver.container);
    await unmountDisk(sliver);
  }

  async #deleteGone(sliver: SliverPlaces): Promise<void> {
    if (!(await isThere(sliver.gone))) return;
    await this.#machine.blocks?.release(sliver);
    await this.#deleteDisk(sliver);
    await deleteTree(sliver.gone);
  }

  async #deleteDisk(sliver: SliverPlaces): Promise<void> {
    const { storage } = this.#machine;
    await storage.remove(await storage.placesOf(sliver));
  }

  async #running(id: SliverId): Promise<{ sliver: SliverPlaces; first: ProcessName }> {
    const sliver = await this.#known(id);
    const first = await this.#firsts.of(sliver);
    refuseUnless(first, "BACKEND_FAILED", `the sliver ${id} is stopped; ensure it first`);
    return { sliver, first };
  }

  async #known(id: SliverId): Promise<SliverPlaces> {
    const sliver = sliverPlaces(this.#node, id);
    const known = await isThere(sliver.directory);
    if (!known) throw new Fault("NO_SLICE", `there is no sliver ${id} on this node; ensure it first`);
    return sliver;
  }
}
