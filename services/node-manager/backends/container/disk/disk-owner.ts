import { chown, stat } from "node:fs/promises";
import { Fault } from "#shared/model/errors.ts";
import { readIfPresent, writeDurably } from "#shared/runtime/durable-file.ts";
import type { SliverPlaces } from "../places.ts";
import type { IdBlocks } from "../users/id-blocks.ts";

/**
 * Whose a sliver's disk and processes are on the machine: user and group n inside are `base` + n outside. 0: they are
 * the machine's own, as those of administrative slivers, and of slivers made before they had users of their own.
 */
export type DiskOwner = { readonly base: number };

const MACHINE: DiskOwner = { base: 0 };

/** How the disk of a sliver is owned; it never changes. A sliver that has none yet is the machine's. */
export async function readDiskOwner(sliver: SliverPlaces): Promise<DiskOwner> {
  const bytes = await readIfPresent(sliver.owner);
  return bytes ? JSON.parse(bytes.toString()) : MACHINE;
}

/**
 * Decides, before a sliver's first start, whose its disk is, and gives it to them: to users of its own out of `blocks`,
 * to the machine's without. Later starts keep to what was decided.
 */
export async function settleDiskOwner(sliver: SliverPlaces, blocks: IdBlocks | undefined): Promise<void> {
  if ((await readIfPresent(sliver.owner)) !== undefined)
    return confirm(await readDiskOwner(sliver), sliver, blocks);
  const hasOldDisk = (await readIfPresent(sliver.image)) !== undefined;
  const owner = blocks && !hasOldDisk ? { base: await blocks.claim(sliver) } : MACHINE;
  if (!hasOldDisk) await give(sliver, owner);
  await writeDurably(sliver.owner, JSON.stringify(owner));
}

async function give({ upper, work }: SliverPlaces, { base }: DiskOwner): Promise<void> {
  for (const directory of [upper, work]) await chown(directory, base, base);
}

async function confirm(
  { base }: DiskOwner,
  sliver: SliverPlaces,
  blocks: IdBlocks | undefined,
): Promise<void> {
  if (base === MACHINE.base) return;
  if (blocks) {
    await blocks.confirm(base, sliver);
    // Of the disk's making less may be left after a loss of power than of this file: then it is as new.
    if ((await stat(sliver.upper)).uid === MACHINE.base) await give(sliver, { base });
    return;
  }
  throw new Fault(
    "BACKEND_FAILED",
    "the sliver's disk belongs to users of its own, which this machine cannot give it any more; see the node's log",
  );
}
