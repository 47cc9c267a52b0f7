import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Ability } from "#shared/model/ability.ts";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Backend, EngineStatement, SliverId, SliverPlan } from "../backend.ts";
import { Outposts } from "../container/inside/outpost.ts";
import { nodePlaces, sliverPlaces } from "../container/places.ts";
import type { ImageLimits } from "../images/image-limits.ts";
import type { Image, ImageWish } from "../images/images.ts";
import { openImages, statementOf } from "../images/offered-images.ts";
import { openFilesLimit } from "../machine/process.ts";
import { Turns } from "../machine/turns.ts";
import { ROOT } from "../seed/login.ts";
import { Containers } from "./containers.ts";
import { Daemon, DOCKER_SOCKET } from "./daemon.ts";
import { boundsDisks, DiskSizes } from "./disk.ts";
import { limitEgress } from "./egress.ts";
import { execute } from "./execution.ts";
import { firstProcess } from "./first-process.ts";
import { LinkLocalGuard } from "./link-local.ts";
import { ensureReferenceImage } from "./reference-image.ts";
import { Seeds } from "./seeds.ts";
import { type ContainerFacts, loginIn, wasStarted } from "./sliver-container.ts";
import { usageOf } from "./usage.ts";

/** The least memory in which Docker can start a sliver at all, and a shell in it. */
const LEAST_MEMORY_MIB = 16;

export type DockerOptions = {
  /** The node's short id: 8 hex digits. Everything made in the daemon carries it. */
  readonly node: string;
  /** Where the engine notes what it told its slivers; their disks are the daemon's. */
  readonly stateDirectory: string;
  /** The machine's reference images, of which the daemon gets its copies. */
  readonly imagesDirectory: string;
  /** The images offered, the default one first. */
  readonly images?: readonly [ImageWish, ...ImageWish[]];
  /** How large an image may become that is made now. */
  readonly imageLimits?: ImageLimits;
  /** The daemon's; it must run on this machine. */
  readonly socket?: string;
  /** The machine's address on which slivers' ports are published; every address of the machine when absent. */
  readonly address?: string;
  readonly now: () => Instant;
};

/** A reference image, and what the daemon calls its copy. */
type DockerImage = Image & { readonly reference: string };

/**
 * Slivers as containers of a Docker daemon of this machine, for hosts where Docker is what there is.
 *
 * The only memory is the daemon's: containers carry the node's short id and the sliver's, and run without any node
 * manager. They end with the daemon (unless it restores them by itself) and are started again, by their leases.
 */
export async function dockerBackend(options: DockerOptions): Promise<Backend> {
  const daemon = await Daemon.find(options.socket ?? DOCKER_SOCKET);
  const places = nodePlaces(options.stateDirectory, options.node);
  await mkdir(places.directory, { recursive: true, mode: 0o700 });
  const images = new Map<string, DockerImage>();
  const seeds = join(places.directory, "seeds");
  // Slivers are made over the daemon's copy: only what is offered is in use here.
  const use = { holder: `${options.node}-docker`, slivers: places.directory };
  for (const [name, image] of await openImages(options, use)) {
    const reference = await ensureReferenceImage(daemon, image, options.imagesDirectory);
    images.set(name, { ...image, reference });
  }
  const unguarded = await LinkLocalGuard.lack();
  const containers = new Containers(daemon, options.node, unguarded === undefined);
  const backend = new DockerBackend({
    ...{ options, daemon, containers, images, seeds: new Seeds(seeds) },
    openFiles: await openFilesLimit(),
    boundsDisks: await boundsDisks(daemon, options.node, [...images.values()][0]!.reference),
    remapsUsers: await remapsUsers(daemon),
    notes: unguarded === undefined ? [] : [unguarded],
  });
  await backend.adopt();
  return backend;
}

type Needs = {
  readonly options: DockerOptions;
  readonly daemon: Daemon;
  readonly containers: Containers;
  readonly images: ReadonlyMap<string, DockerImage>;
  readonly seeds: Seeds;
  readonly openFiles: number;
  readonly boundsDisks: boolean;
  /** Whether the daemon was set up (`userns-remap`) to give containers users of their own. */
  readonly remapsUsers: boolean;
  readonly notes: readonly string[];
};

async function remapsUsers(daemon: Daemon): Promise<boolean> {
  const info = await daemon.ask<{ SecurityOptions: string[] | null }>({
    purpose: "ask how it is set up",
    path: "/info",
  });
  return (info.SecurityOptions ?? []).some((option) => option.split(",").includes("name=userns"));
}

class DockerBackend implements Backend {
  readonly statement: EngineStatement;
  readonly #needs: Needs;
  readonly #turns = new Turns();
  readonly #outposts = new Outposts();
  readonly #diskSizes: DiskSizes;

  constructor(needs: Needs) {
    const abilities: Ability[] = ["terminal", "forwarding", "ports", "administrative", "programs"];
    if (needs.boundsDisks) abilities.push("disk-bound");
    if (needs.remapsUsers) abilities.push("weak-root");
    this.statement = {
      engine: "docker",
      simulated: false,
      ...statementOf(needs.images),
      abilities,
      notes: needs.notes,
    };
    this.#needs = needs;
    this.#diskSizes = new DiskSizes(needs.containers);
  }

  /** Finishes what an earlier node manager left half done, and takes over what runs. */
  async adopt(): Promise<void> {
    const { containers, seeds } = this.#needs;
    const known = await containers.list();
    await seeds.keepOnly(known.map(({ id }) => id));
    await this.#turns.take("network", () => containers.tendNetwork());
    for (const { id, state } of known) {
      if (state !== "running") continue;
      const facts = await containers.facts(id);
      if (!facts?.State.Running) continue;
      await containers.hangUp(facts);
      await limitEgress(facts);
    }
  }

  async ensure(plan: SliverPlan): Promise<void> {
    refuseUnless(
      plan.resources.memoryMib >= LEAST_MEMORY_MIB,
      "BACKEND_FAILED",
      `a container needs ${LEAST_MEMORY_MIB} MiB of memory to start; ask for more`,
    );
    this.#checkId(plan.id);
    await this.#turns.take(plan.id, async () => {
      const { containers, seeds } = this.#needs;
      let known = await containers.facts(plan.id);
      if (known?.State.Running) return;
      if (known && !wasStarted(known)) {
        // Whoever made it broke off, and nothing of anybody's is on its disk yet.
        await containers.remove(plan.id);
        known = undefined;
      }
      if (!known) {
        await this.#create(plan);
        await containers.put(plan.id, await seeds.archive(plan.id));
      }
      await containers.start(plan.id);
      const facts = await containers.facts(plan.id);
      if (!(facts && (await firstProcess(facts))))
        throw new Fault("BACKEND_FAILED", "the sliver's first process ended at once; try again");
      await limitEgress(facts);
      await containers.startPrograms(facts, !known);
    });
  }

  async stop(id: SliverId): Promise<void> {
    this.#checkId(id);
    await this.#turns.take(id, async () => {
      this.#outposts.end(id);
      await this.#needs.containers.stop(id);
    });
  }

  async remove(id: SliverId): Promise<void> {
    this.#checkId(id);
    const { containers, seeds } = this.#needs;
    await this.#turns.take(id, async () => {
      this.#outposts.end(id);
      await containers.remove(id);
      await seeds.remove(id);
      this.#diskSizes.forget(id);
      await this.#turns.take("network", () => containers.tendNetwork());
    });
  }

  async list() {
    return await this.#needs.containers.list();
  }

  async exec(id: SliverId, command: Parameters<Backend["exec"]>[1]) {
    const facts = await this.#running(id);
    const login = command.user === "login" ? loginIn(facts) : ROOT;
    return await execute(this.#needs.daemon, facts, login, command);
  }

  async connect(id: SliverId, host: string, port: number) {
    return (await this.#outpost(id)).connect(host, port);
  }

  async listen(id: SliverId, port: number) {
    return (await this.#outpost(id)).listen(port);
  }

  addresses(): ReadonlyMap<string, SliverId> {
    return this.#needs.containers.addresses();
  }

  async usage(id: SliverId, { withoutDisk = false } = {}) {
    const facts = await this.#known(id);
    const diskBytes = withoutDisk ? 0 : await this.#diskSizes.of(id);
    return { ...(await usageOf(this.#needs.daemon, facts)), diskBytes };
  }

  async #create(plan: SliverPlan): Promise<void> {
    const { options, containers, images, seeds, openFiles, boundsDisks } = this.#needs;
    const image = images.get(plan.image ?? this.statement.defaultImage);
    if (!image)
      throw new Fault("BACKEND_FAILED", `there is no image ${plan.image} here; choose one this node lists`);
    const login = await seeds.make(plan, image);
    const { node, address } = options;
    const { reference } = image;
    const needs = { node, plan, login, image, reference, address, openFiles, boundsDisks };
    await this.#turns.take("network", () => containers.create(needs));
  }

  async #outpost(id: SliverId) {
    const first = await firstProcess(await this.#running(id));
    refuseUnless(first, "BACKEND_FAILED", `the sliver ${id} has just ended; try again`);
    return this.#outposts.of({ id, seed: this.#needs.seeds.of(id) }, first);
  }

  async #running(id: SliverId): Promise<ContainerFacts> {
    const facts = await this.#known(id);
    refuseUnless(facts.State.Running, "BACKEND_FAILED", `the sliver ${id} is stopped; ensure it first`);
    return facts;
  }

  async #known(id: SliverId): Promise<ContainerFacts> {
    this.#checkId(id);
    const facts = await this.#needs.containers.facts(id);
    if (!facts) throw new Fault("NO_SLICE", `there is no sliver ${id} on this node; ensure it first`);
    return facts;
  }

  #checkId(id: SliverId): void {
    const { stateDirectory, node } = this.#needs.options;
    sliverPlaces(nodePlaces(stateDirectory, node), id);
  }
}
