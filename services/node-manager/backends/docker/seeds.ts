import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { SliverId, SliverPlan } from "../backend.ts";
import type { Image } from "../images/images.ts";
import { machineResolution, resolvConf } from "../network/resolver.ts";
import type { Login } from "../seed/login.ts";
import { seed } from "../seed/seed.ts";

/** What Docker itself tells every container, from the daemon's own machine. */
const NOT_OURS = ["etc/hostname", "etc/hosts", "etc/resolv.conf"];

/** Where Docker answers inside every network but its usual one, as the daemon's machine resolves names. */
const DOCKER_RESOLVER = "127.0.0.11";

/** What the node told each of its slivers when it was made: its name, and the account people use in it. */
export class Seeds {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  of(id: SliverId): string {
    return join(this.#directory, id);
  }

  async make(plan: SliverPlan, image: Image): Promise<Login> {
    await this.remove(plan.id);
    await mkdir(this.of(plan.id), { recursive: true, mode: 0o755 });
    return await seed(this.of(plan.id), plan.slice, image, await resolverOf(plan));
  }

  /** What tar is to send of it. */
  async archive(id: SliverId): Promise<string[]> {
    const exclusions = NOT_OURS.map((path) => `--exclude=./${path}`);
    return [...exclusions, "-C", this.of(id), "."];
  }

  async remove(id: SliverId): Promise<void> {
    await rm(this.of(id), { recursive: true, force: true });
  }

  /** Removes those of slivers that are no more. */
  async keepOnly(ids: readonly SliverId[]): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    for (const id of await readdir(this.#directory)) if (!ids.includes(id)) await this.remove(id);
  }
}

/** For connections into the sliver: whom its programs ask for names, too. */
async function resolverOf({ administrative }: SliverPlan): Promise<string> {
  return administrative
    ? resolvConf(await machineResolution(), "127.0.0.1")
    : `nameserver ${DOCKER_RESOLVER}\n`;
}
