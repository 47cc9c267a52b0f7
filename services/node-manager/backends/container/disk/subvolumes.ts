import { mkdir, readdir, readFile, rmdir, statfs } from "node:fs/promises";
import { join } from "node:path";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import { mountsUnder } from "../../machine/mounts.ts";
import { isThere } from "../../machine/presence.ts";
import { runProgram } from "../../machine/program.ts";
import type { NodePlaces, SliverPlaces } from "../places.ts";
import {
  BtrfsRefusal,
  createSubvolume,
  destroySubvolume,
  FIRST_NUMBER,
  fileSystemId,
  forgetSubvolume,
  limitSubvolume,
  subvolumeNumber,
} from "./btrfs.ts";
import { Directories } from "./directories.ts";
import { DiskFile } from "./disk-file.ts";
import type { Storage, StorageOptions } from "./storage.ts";

const MIB = 1024 ** 2;
const BTRFS = 0x9123683e;
/** What a sliver without a disk of its own has: with less it would not even start. */
const LEAST_MIB = 2;
/** What an overlay writes when it is mounted, and more: without that room a full one could only be read. */
const MOUNTING_MIB = 1;

/** Gives why there is none, as the beginning of a sentence that says what to do, where the machine lacks something. */
export async function openSubvolumes(node: NodePlaces, options: StorageOptions): Promise<Storage | string> {
  if (!(await DiskFile.isThere(node)) && (await countsItself(node.directory))) {
    await mkdir(node.disks, { recursive: true, mode: 0o700 });
    return new Subvolumes(node);
  }
  const file = await DiskFile.open(node, options);
  if (typeof file === "string") return file;
  const subvolumes = new Subvolumes(node, file);
  await subvolumes.forgetOld();
  return subvolumes;
}

/** Whether a directory lies on a btrfs whose owner lets it count what subvolumes use. */
async function countsItself(directory: string): Promise<boolean> {
  if ((await statfs(directory)).type !== BTRFS) return false;
  return (await readdir(`/sys/fs/btrfs/${await fileSystemId(directory)}`)).includes("qgroups");
}

/**
 * Disks as subvolumes of a btrfs, each with a quota group that ends it. The kernel counts, so that what a disk holds is
 * read and not measured; files of any size count, and what the file system keeps about them, so that nobody has a
 * hundred million empty ones either.
 */
class Subvolumes implements Storage {
  readonly bounds = true;
  readonly notes: readonly string[];
  readonly #disks: string;
  readonly #file: DiskFile | undefined;
  readonly #unbound = new Directories();
  readonly #groups = new Map<string, string>();

  /** `file`: on what the file system lies that is only there for this. */
  constructor({ disks }: NodePlaces, file?: DiskFile) {
    this.#disks = disks;
    this.#file = file;
    this.notes = file?.notes ?? [];
  }

  async placesOf(sliver: SliverPlaces): Promise<SliverPlaces> {
    if (await isThere(sliver.upper)) return sliver; // its disk was made where there was no bound
    await this.#file?.mount();
    const disk = join(this.#disks, sliver.id);
    return { ...sliver, upper: join(disk, "upper"), work: join(disk, "work") };
  }

  async make(sliver: SliverPlaces, diskMib: number): Promise<void> {
    const disk = this.#diskOf(sliver);
    if (disk) {
      this.#groups.delete(sliver.id);
      try {
        await asked("make the sliver's disk", () => createSubvolume(disk));
      } catch (error) {
        if (refusal(error)?.code !== "EEXIST") throw error;
      }
    }
    await this.bound(sliver, Math.max(diskMib, LEAST_MIB) + MOUNTING_MIB);
    await this.#unbound.make(sliver);
  }

  async bound(sliver: SliverPlaces, diskMib: number): Promise<void> {
    const disk = this.#diskOf(sliver);
    if (!disk) return;
    const bytes = Math.max(diskMib, LEAST_MIB) * MIB;
    await asked("bound the sliver's disk", async () => {
      const known = await readFile(join(await this.#groupOf(sliver.id, disk), "max_referenced"), "utf8");
      // Setting it is a change of the file system, and this is asked for again and again.
      if (Number(known) !== bytes) await limitSubvolume(disk, await subvolumeNumber(disk), bytes);
    });
  }

  /** What is on the disk, and what was written and is on the way there. */
  async used(sliver: SliverPlaces): Promise<number> {
    const disk = this.#diskOf(sliver);
    if (!disk) return this.#unbound.used(sliver);
    return await asked("see what is on the sliver's disk", async () => {
      const group = await this.#groupOf(sliver.id, disk);
      const counts = ["referenced", "rsv_data"].map((name) => readFile(join(group, name), "utf8"));
      const [there, coming] = await Promise.all(counts);
      return Number(there) + Number(coming);
    });
  }

  async remove(sliver: SliverPlaces): Promise<void> {
    const disk = this.#diskOf(sliver);
    if (!disk) return this.#unbound.remove(sliver);
    this.#groups.delete(sliver.id);
    if (!(await isThere(disk))) return;
    if ((await mountsUnder(disk)).length > 0)
      throw new Fault(
        "BACKEND_FAILED",
        "something is still mounted in what is to be deleted; unmount it and try again",
      );
    await asked("delete the sliver's disk", () => destroy(disk));
  }

  async names(): Promise<string[]> {
    if (this.#file && !(await this.#file.isMade())) return []; // closed, and there was none
    await this.#file?.mount();
    return readdir(this.#disks);
  }

  async close(): Promise<void> {
    if (this.#file) await this.#file.close();
    else if ((await readdir(this.#disks)).length === 0) await rmdir(this.#disks);
  }

  /** Quota groups outlive their subvolumes on older kernels: those that nothing belongs to are let go. */
  async forgetOld(): Promise<void> {
    const groups = await readdir(join("/sys/fs/btrfs", await fileSystemId(this.#disks), "qgroups"));
    const numbers = groups.flatMap((name) => /^0_(\d+)$/.exec(name)?.[1] ?? []).map(BigInt);
    const disks = await readdir(this.#disks);
    const living = await Promise.all(disks.map((name) => subvolumeNumber(join(this.#disks, name))));
    for (const number of numbers) {
      if (number < FIRST_NUMBER || living.includes(number)) continue;
      try {
        await forgetSubvolume(this.#disks, number);
      } catch (error) {
        if (!(error instanceof BtrfsRefusal)) throw error; // still being cleared away: the next opening's, then
      }
    }
  }

  /** The subvolume of a sliver, or undefined for a disk without a bound. */
  #diskOf({ id, upper }: SliverPlaces): string | undefined {
    const disk = join(this.#disks, id);
    return upper === join(disk, "upper") ? disk : undefined;
  }

  /** Where the kernel shows what it counts for a subvolume. */
  async #groupOf(id: string, disk: string): Promise<string> {
    const known = this.#groups.get(id);
    if (known) return known;
    const [fileSystem, number] = await Promise.all([fileSystemId(disk), subvolumeNumber(disk)]);
    const group = `/sys/fs/btrfs/${fileSystem}/qgroups/0_${number}`;
    this.#groups.set(id, group);
    return group;
  }
}

/** Deletes a subvolume, and first those that somebody on the node made in it: nobody inside can. */
async function destroy(path: string): Promise<void> {
  try {
    await destroySubvolume(path);
  } catch (error) {
    const code = error instanceof BtrfsRefusal ? error.code : undefined;
    if (code === "ENOENT") return;
    if (code !== "ENOTEMPTY") throw error;
    const search = ["find", path, "-mindepth", "1", "-depth", "-type", "d"] as const;
    const found = await runProgram("delete the sliver's disk", [
      ...search,
      "-inum",
      String(FIRST_NUMBER),
      "-print0",
    ]);
    for (const nested of found.split("\0").filter((name) => name !== "")) await destroySubvolume(nested);
    await destroySubvolume(path);
  }
}

async function asked<T>(purpose: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof Fault || cause instanceof OperatorError) throw cause;
    throw new Fault("BACKEND_FAILED", `the container engine could not ${purpose}; try again`, { cause });
  }
}

function refusal(error: unknown): BtrfsRefusal | undefined {
  return error instanceof Fault && error.cause instanceof BtrfsRefusal ? error.cause : undefined;
}
