import { closeSync } from "node:fs";
import { chmod, chown, mkdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { mountOverlay, unmountAll } from "../../machine/mounts.ts";
import type { SliverPlaces } from "../places.ts";
import { userNamespace } from "../users/user-namespace.ts";
import type { DiskOwner } from "./disk-owner.ts";

/** The places of a sliver that its disk is put together from and at. */
export type DiskPlaces = Pick<SliverPlaces, "root" | "upper" | "work" | "layers">;

/**
 * Mounts the sliver's disk over `layers` (the first on top) at its root. Where it has users of its own, the layers'
 * files are theirs as the layers show them: nothing in a layer is changed or copied for that, and all slivers share it.
 */
export async function mountDisk(
  sliver: DiskPlaces,
  { base }: DiskOwner,
  layers: readonly string[],
): Promise<void> {
  const { root, upper, work } = sliver;
  if (base === 0) return mountOverlay(root, layers, upper, work);
  const places = layers.map((_, at) => join(sliver.layers, String(at)));
  for (const place of places) await mkdir(place, { recursive: true, mode: 0o700 });
  const { detach } = await import("./mount-calls.ts");
  using users = await userNamespace(base);
  try {
    for (const [at, layer] of layers.entries()) await attach(layer, places[at]!, users.descriptor);
    await mountOverlay(root, places, upper, work);
  } finally {
    // The overlay has them; nobody else has to see them.
    for (const place of places) detach(place);
    for (const place of [...places, sliver.layers]) await rmdir(place);
  }
}

/** Where whoever starts the sliver finds its root. */
export function rootOf({ door, root }: SliverPlaces, { base }: DiskOwner): string {
  return base === 0 ? root : join(door, "root");
}

/**
 * Does `work` while the sliver's root is to be found at its door, too. What the sliver's own users are told to find
 * there they can find, wherever the node keeps its state; nobody else can.
 */
export async function throughDoor(
  sliver: SliverPlaces,
  owner: DiskOwner,
  work: () => Promise<void>,
): Promise<void> {
  const { door, root } = sliver;
  const opened = rootOf(sliver, owner);
  if (opened === root) return work();
  await mkdir(join(door, ".."), { recursive: true });
  await chmod(join(door, ".."), 0o711);
  await mkdir(opened, { recursive: true, mode: 0o700 });
  await chown(door, 0, owner.base);
  await chmod(door, 0o710);
  const { detach } = await import("./mount-calls.ts");
  try {
    await attach(root, opened);
    await work();
  } finally {
    detach(opened); // the directory stays: runc changes to it before it enters, each time
  }
}

/** Undoes what a start of the sliver that was interrupted left mounted, and its disk's mount. */
export async function unmountDisk({ root, layers, door }: SliverPlaces): Promise<void> {
  await unmountAll(root, layers, door);
  await removeDoor(door);
}

/** Only empty directories: should something still be mounted there, it is the sliver's disk. */
async function removeDoor(door: string): Promise<void> {
  for (const directory of [join(door, "root"), door]) {
    try {
      await rmdir(directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}

async function attach(path: string, place: string, users?: number): Promise<void> {
  const { attachTree, copyTree, mapTree } = await import("./mount-calls.ts");
  const tree = copyTree(path);
  try {
    if (users !== undefined) mapTree(tree, users);
    attachTree(tree, place);
  } finally {
    closeSync(tree);
  }
}
