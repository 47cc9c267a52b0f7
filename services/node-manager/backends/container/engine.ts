import { mkdir, realpath } from "node:fs/promises";
import type { Instant } from "#shared/model/time.ts";
import type { Backend } from "../backend.ts";
import type { ImageLimits } from "../images/image-limits.ts";
import type { ImageWish } from "../images/images.ts";
import { openImages } from "../images/offered-images.ts";
import { Cgroups } from "../machine/cgroups.ts";
import { Network } from "../network/network.ts";
import { forgetMisplaced } from "./administrative.ts";
import { ContainerBackend } from "./container-backend.ts";
import { openStorage, type StorageOptions } from "./disk/storage.ts";
import { Outposts } from "./inside/outpost.ts";
import { nodePlaces } from "./places.ts";
import { Runc } from "./runc.ts";
import { IdBlocks } from "./users/id-blocks.ts";
import { withoutOwnUsers } from "./users/own-users.ts";

const IDS_DIRECTORY = "/var/lib/slicelab/user-ids";

export type ContainerOptions = StorageOptions & {
  /** The node's short id: 8 hex digits. Everything made on the machine carries it. */
  readonly node: string;
  /** Where slivers' disks lie: on ext4, xfs or the like, not on an overlay. */
  readonly stateDirectory: string;
  /** The machine's reference images, shared by all of its nodes. */
  readonly imagesDirectory: string;
  /** Where the machine keeps which sliver has which user ids, for all of its nodes. */
  readonly idsDirectory?: string;
  /** The images offered, the default one first; those the machine lacks are built. */
  readonly images?: readonly [ImageWish, ...ImageWish[]];
  /** How large an image may become that is made now. */
  readonly imageLimits?: ImageLimits;
  readonly egressKbps?: number;
  readonly address?: string;
  readonly now: () => Instant;
  /** Told after each step of starting a sliver; what it throws ends the start there, as a crash would. */
  readonly onStep?: (step: string) => void;
};

/**
 * Slivers as Linux containers: the vserver of the papers ("Plan B"), made by runc over one shared read-only image.
 *
 * The only memory is the machine itself (directories, mounts, cgroups, processes): another node manager that opens the
 * same state directory as the same node carries on where this one ended. Slivers run without any node manager.
 */
export async function containerBackend(options: ContainerOptions): Promise<Backend> {
  const node = nodePlaces(await ensureDirectory(options.stateDirectory), options.node);
  await mkdir(node.slivers, { recursive: true, mode: 0o700 });
  const images = await openImages(options, { holder: `${node.node}-container`, slivers: node.slivers });
  const [first] = images.values();
  await forgetMisplaced(node);
  const weakness = await withoutOwnUsers(node, first!.root);
  const machine = {
    blocks: weakness ? undefined : await IdBlocks.open(options.idsDirectory ?? IDS_DIRECTORY, node),
    runc: new Runc(node),
    cgroups: await Cgroups.find(),
    network: await Network.open(node, options),
    storage: await openStorage(node, options),
    outposts: new Outposts(),
  };
  const notes = [
    ...(weakness ? [weakness] : []),
    ...machine.storage.notes,
    ...(await machine.network.notes()),
  ];
  return new ContainerBackend(node, { ...options, images, notes }, machine);
}

/** Makes a directory and gives the path under which the kernel lists what is mounted there. */
async function ensureDirectory(path: string): Promise<string> {
  await mkdir(path, { recursive: true, mode: 0o755 });
  return realpath(path);
}
