import {
  chmod,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  stat,
  statfs,
  truncate,
} from "node:fs/promises";
import { basename, dirname } from "node:path";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import { mountsUnder, readMounts } from "../../machine/mounts.ts";
import { ProgramFailure, runProgram } from "../../machine/program.ts";
import { Turns } from "../../machine/turns.ts";
import type { NodePlaces } from "../places.ts";
import { BtrfsRefusal, enableQuotas, growToFile, setDirect } from "./btrfs.ts";
import type { StorageOptions } from "./storage.ts";

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
/** Beyond the files' own room, so much at most is given to what the file system keeps about them. */
const MOST_BESIDES = 1024 * GIB;
/** What slivers' disks take of the machine's when they are full, for each byte of theirs: 1.06 was the most measured. */
const WITH_ITS_BOOKS = 17 / 16;
/** No copy on write: a file that is overwritten takes no more room than one that is not, as people expect. */
const OPTIONS = "loop,noatime,nodev,nodatacow";

/**
 * A btrfs in one sparse file of the node, for slivers' disks alone. It takes as much of the machine's disk as they do;
 * what slivers delete is given back. It is mounted as long as it is used, also by slivers without a node manager: the
 * loop device goes with the mount. The file is there as long as there are disks in it or a node manager is open.
 */
export class DiskFile {
  readonly notes: readonly string[];
  readonly #node: NodePlaces;
  readonly #bytes: number;
  readonly #turns = new Turns();

  private constructor(node: NodePlaces, bytes: number, notes: readonly string[]) {
    this.notes = notes;
    this.#node = node;
    this.#bytes = bytes;
  }

  static async isThere({ diskFile }: Pick<NodePlaces, "diskFile">): Promise<boolean> {
    return (await sizeOf(diskFile)) !== undefined;
  }

  /**
   * Makes the file, or mounts the one that is there. Gives why it can't be made, as the beginning of a sentence, where
   * the machine lacks something; one that is there and can't be mounted is never taken for none.
   */
  static async open(node: NodePlaces, { diskMib }: StorageOptions): Promise<DiskFile | string> {
    const free = await freeBytes(node);
    const capacity = diskMib === undefined ? Math.floor(free / WITH_ITS_BOOKS) : diskMib * MIB;
    const old = await DiskFile.isThere(node);
    const missing = capacity * WITH_ITS_BOOKS - free;
    const sentence = `the node gives away ${mib(capacity)} of disk, which takes ${mib(capacity * WITH_ITS_BOOKS)} with what is kept about files, but ${node.directory} has room for ${mib(free)}: make room for ${mib(missing)} more, or lower its capacity`;
    if (missing > 0 && !old) throw new OperatorError(sentence);
    const notes = missing > 0 ? [`${sentence}; until then all slivers can run out of disk at once`] : [];
    const file = new DiskFile(node, capacity + Math.min(capacity, MOST_BESIDES) + GIB, notes);
    try {
      await file.mount();
    } catch (error) {
      if (old || !(error instanceof Fault)) throw error;
      return `no file system for them could be made (${lastCause(error)}); install btrfs-progs on a kernel with btrfs and loop devices`;
    }
    if (missing <= 0 || (await readdir(node.disks)).length > 0) return file;
    await file.close();
    throw new OperatorError(sentence);
  }

  isMade(): Promise<boolean> {
    return DiskFile.isThere(this.#node);
  }

  /** Mounts it unless it is, having made it unless it was. */
  mount(): Promise<void> {
    return this.#turns.take("mount", async () => {
      if ((await isMounted(this.#node)) && (await DiskFile.isThere(this.#node))) return;
      if (await DiskFile.isThere(this.#node)) await this.#attach(this.#node.diskFile);
      else await this.#make();
      await this.#grow();
    });
  }

  /** Unmounts it if no sliver runs on it, and deletes it if no disk is in it. Whoever looks into it keeps it mounted. */
  close(): Promise<void> {
    return this.#turns.take("mount", async () => {
      const { disks, diskFile, slivers } = this.#node;
      if ((await mountsUnder(slivers)).length > 0) return;
      if (!(await isMounted(this.#node))) return;
      const isEmpty = (await readdir(disks)).length === 0;
      try {
        await unmount(disks);
      } catch (error) {
        if (error instanceof Fault && error.cause instanceof ProgramFailure) return; // for who closes it next
        throw error;
      }
      if (isEmpty) await rm(diskFile, { force: true });
      await rmdir(disks);
    });
  }

  /** It has its name only once it is whole, so that a file of that name is never anything else. */
  async #make(): Promise<void> {
    const { disks, diskFile } = this.#node;
    const unfinished = `${diskFile}.unfinished`;
    if (await isMounted(this.#node)) await unmount(disks);
    await rm(unfinished, { force: true });
    const file = await open(unfinished, "wx", 0o600);
    try {
      await file.truncate(this.#bytes);
    } finally {
      await file.close();
    }
    const one = ["--metadata", "single", "--data", "single"]; // the disk beneath is what keeps things safe, or not
    await runProgram("make a file system for disks", [
      "mkfs.btrfs",
      ...["--quiet", "--nodiscard", "--label", `slicelab-${this.#node.node}`],
      ...one,
      ...["--nodesize", String(await pageSize())],
      unfinished,
    ]);
    await this.#attach(unfinished);
    await enableQuotas(disks);
    await rename(unfinished, diskFile);
    const directory = await open(dirname(diskFile));
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }

  async #attach(file: string): Promise<void> {
    const { disks } = this.#node;
    await mkdir(disks, { recursive: true, mode: 0o700 });
    const mount = ["mount", "-n", "-t", "btrfs", "-o", OPTIONS, file, disks] as const;
    await runProgram("mount slivers' disks", mount);
    await chmod(disks, 0o700);
    const device = await deviceOf(this.#node);
    if (await isDirect(device)) return;
    try {
      await setDirect(device);
    } catch (error) {
      // Some file systems can't: everything then lies in memory twice, and works.
      if (!(error instanceof BtrfsRefusal)) throw error;
    }
  }

  /** The node may give away more than when the file was made. */
  async #grow(): Promise<void> {
    const { diskFile, disks } = this.#node;
    if (((await sizeOf(diskFile)) ?? 0) >= this.#bytes) return;
    await truncate(diskFile, this.#bytes);
    await growToFile(disks, await deviceOf(this.#node));
  }
}

/**
 * The least that a tree's node can be: for every change the kernel sets some of them aside within the bound, and writes
 * everything out when there are none left.
 */
async function pageSize(): Promise<number> {
  return (await statfs("/proc")).bsize;
}

/** What slivers' disks can take of the machine's disk: what is free, and what they have already. */
async function freeBytes({ directory, diskFile }: NodePlaces): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  const taken = (await DiskFile.isThere({ diskFile })) ? (await stat(diskFile)).blocks * 512 : 0;
  return bavail * bsize + taken;
}

async function isMounted({ disks, directory }: NodePlaces): Promise<boolean> {
  return (
    ((await deviceNumberOf(disks)) ?? 0) !== 0 &&
    (await deviceNumberOf(disks)) !== (await deviceNumberOf(directory))
  );
}

async function deviceNumberOf(path: string): Promise<number | undefined> {
  return (await statIfPresent(path))?.dev;
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await statIfPresent(path))?.size;
}

async function statIfPresent(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function deviceOf({ disks }: NodePlaces): Promise<string> {
  const source = (await readMounts()).findLast(({ point }) => point === disks)?.source;
  if (source) return source;
  throw new Fault("BACKEND_FAILED", "slivers' disks were unmounted by somebody else; try again");
}

async function isDirect(device: string): Promise<boolean> {
  return (await readFile(`/sys/block/${basename(device)}/loop/dio`, "utf8")).trim() === "1";
}

async function unmount(point: string): Promise<void> {
  await runProgram("unmount slivers' disks", ["umount", "-n", point]);
}

function lastCause(error: Error): string {
  return error.cause instanceof Error ? lastCause(error.cause) : error.message.trim().split("\n").at(-1)!;
}

function mib(bytes: number): string {
  return `${Math.ceil(bytes / MIB)} MiB`;
}
