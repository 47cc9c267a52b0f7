import type { NodePlaces, SliverPlaces } from "../places.ts";
import { Directories } from "./directories.ts";

/** Where the disks of a node's slivers come from: what of a sliver differs from its image, and nothing else. */
export interface Storage {
  /** Whether a disk that is made here ends where the sliver's plan says. */
  readonly bounds: boolean;
  /** What the operator should know of it, in sentences. */
  readonly notes: readonly string[];
  /** The sliver's places with those of its own disk, which may not have been made yet. */
  placesOf(sliver: SliverPlaces): Promise<SliverPlaces>;
  /** Makes the disk unless it is there, with the room to mount it even if it is full. Of what `placesOf` gave. */
  make(sliver: SliverPlaces, diskMib: number): Promise<void>;
  /** Lets the disk end at so many MiB, from now on. Nothing where disks have no bound. */
  bound(sliver: SliverPlaces, diskMib: number): Promise<void>;
  /** Bytes on the disk. */
  used(sliver: SliverPlaces): Promise<number>;
  /** Deletes the disk, half-made ones too. Twice is once. Throws BACKEND_FAILED while something is mounted in it. */
  remove(sliver: SliverPlaces): Promise<void>;
  /** The names of all disks that do not lie in slivers' own directories. */
  names(): Promise<string[]>;
  /** Leaves the machine as if it had not been opened, unless there are disks; undone by any use. */
  close(): Promise<void>;
}

export type StorageOptions = {
  /** What the node gives away altogether; what the state directory's file system has free unless told otherwise. */
  readonly diskMib?: number;
};

/** Opens what bounds slivers' disks on this machine, or what does without and says so. Throws OperatorError. */
export async function openStorage(node: NodePlaces, options: StorageOptions): Promise<Storage> {
  const { openSubvolumes } = await import("./subvolumes.ts");
  const opened = await openSubvolumes(node, options);
  if (typeof opened !== "string") return opened;
  return new Directories([
    `slivers' disks have no bound on this node: ${opened}; until then one sliver can fill the disk of all`,
  ]);
}
