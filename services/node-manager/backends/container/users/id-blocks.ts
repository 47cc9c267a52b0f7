import { createHash } from "node:crypto";
import { lstat, mkdir, readdir, readlink, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Fault } from "#shared/model/errors.ts";
import { syncDirectory } from "#shared/runtime/durable-file.ts";
import { lockFile } from "#shared/runtime/lock-file.ts";
import type { NodePlaces, SliverPlaces } from "../places.ts";

/** How many users, and groups, a sliver has of its own: as many as 16 bits count. */
export const IDS_PER_SLIVER = 65_536;
/**
 * Above what people, daemons and other container managers are given (the last of systemd's conventions ends at
 * 0x6fffffff), below what a program with signed numbers cannot count.
 */
export const FIRST_BASE = 0x7000_0000;
const BLOCKS = 3072;
const LOCK_MILLISECONDS = 60_000;

/**
 * Which sliver has which block of the machine's user and group ids: a directory of symbolic links, named by the first id
 * and leading to the sliver's directory. All node managers of a machine share it, so that no two slivers share ids, and
 * nothing else knows. A block stays its sliver's for as long as the sliver may run on its disk.
 */
export class IdBlocks {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Gives back what the node's slivers had that are gone, also when their node manager was killed over it. */
  static async open(directory: string, node: NodePlaces): Promise<IdBlocks> {
    await mkdir(directory, { recursive: true, mode: 0o755 });
    const blocks = new IdBlocks(directory);
    using _alone = await blocks.#alone();
    for (const base of await blocks.#taken()) {
      const owner = await blocks.#ownerOf(base);
      if (owner && dirname(owner) === node.slivers && (await isGone(owner))) await blocks.#drop(base);
    }
    return blocks;
  }

  /** A block that is nobody else's; after a crash the one that was claimed before it, if that was not recorded. */
  async claim({ id, directory }: SliverPlaces): Promise<number> {
    const taken = await this.#taken();
    const candidates = basesFrom(id);
    for (const base of candidates) {
      if (taken.has(base) ? (await this.#ownerOf(base)) === directory : await this.#take(base, directory))
        return base;
    }
    return this.#takeAbandoned(candidates, directory);
  }

  /** Makes sure that the block of a disk is its sliver's, should the machine have lost its list. */
  async confirm(base: number, { directory }: SliverPlaces): Promise<void> {
    if ((await this.#ownerOf(base)) === directory || (await this.#take(base, directory))) return;
    throw new Fault(
      "BACKEND_FAILED",
      "another sliver of this machine has the user ids of this sliver's disk; remove one of the two",
    );
  }

  /**
   * Gives back the block of a sliver, if it has one. To be called when the disk never runs again, but while its
   * directory is still there under one of its names: nobody else drops the claim until then.
   */
  async release({ id, directory }: SliverPlaces): Promise<void> {
    const taken = await this.#taken();
    for (const base of basesFrom(id)) {
      if (taken.has(base) && (await this.#ownerOf(base)) === directory) return this.#drop(base);
    }
  }

  /** False when somebody has it already. Whoever has it when this returns has it after a loss of power, too. */
  async #take(base: number, directory: string): Promise<boolean> {
    try {
      await symlink(directory, this.#entry(base));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw error;
    }
    await syncDirectory(this.#directory);
    return true;
  }

  /**
   * When no block is free: one whose sliver is nowhere. That late, because its disk may only be out of sight (a file
   * system that is not mounted).
   */
  async #takeAbandoned(candidates: readonly number[], directory: string): Promise<number> {
    using _alone = await this.#alone();
    for (const base of candidates) {
      const owner = await this.#ownerOf(base);
      if (owner !== undefined && !(await isGone(owner))) continue;
      await this.#drop(base);
      if (await this.#take(base, directory)) return base;
    }
    throw new Fault("BACKEND_FAILED", "this machine has no user ids left; delete a sliver first");
  }

  /** What was nobody's when it was looked at could be somebody's by the time it is dropped. */
  #alone(): Promise<Disposable> {
    return lockFile(join(this.#directory, ".lock"), "the machine's list of user ids", LOCK_MILLISECONDS);
  }

  #drop(base: number): Promise<void> {
    return rm(this.#entry(base), { force: true });
  }

  async #taken(): Promise<Set<number>> {
    return new Set((await readdir(this.#directory)).map(Number).filter(isBase));
  }

  async #ownerOf(base: number): Promise<string | undefined> {
    try {
      return await readlink(this.#entry(base));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  #entry(base: number): string {
    return join(this.#directory, String(base));
  }
}

function isBase(number: number): boolean {
  const block = (number - FIRST_BASE) / IDS_PER_SLIVER;
  return Number.isInteger(block) && block >= 0 && block < BLOCKS;
}

/** Every block, from one that the id alone says: machines whose lists know nothing of each other rarely meet. */
function basesFrom(id: string): number[] {
  const start = createHash("sha256").update(id).digest().readUInt32BE() % BLOCKS;
  return Array.from({ length: BLOCKS }, (_, n) => FIRST_BASE + ((start + n) % BLOCKS) * IDS_PER_SLIVER);
}

/** Whether no sliver has this directory, nor one that is being deleted. */
async function isGone(directory: string): Promise<boolean> {
  for (const path of [directory, `${directory}.gone`]) {
    try {
      await lstat(path);
      return false;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return true;
}
