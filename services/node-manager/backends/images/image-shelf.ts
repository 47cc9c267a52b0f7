import { mkdtemp, readdir, rename, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import { removeImageFile } from "../microvm/image-file.ts";
import { removeUnfinished } from "./image-import.ts";
import { type ImageMarker, readMarker } from "./image-marker.ts";
import { type ImageUsers, imageUsers, lockUses } from "./image-uses.ts";
import { currentId, findImage, isImageId, lockName, nameOf } from "./images.ts";
import { describeTree } from "./tree-digest.ts";

/** An image of a machine as its operator sees it. `current`: what its name stands for now. */
export type ShelvedImage = {
  readonly id: string;
  readonly current: boolean;
  readonly marker: ImageMarker;
  readonly users: ImageUsers;
};

/** Every image of the machine by its id. */
export async function listImages(imagesDirectory: string): Promise<ShelvedImage[]> {
  const users = await imageUsers(imagesDirectory);
  const images: ShelvedImage[] = [];
  for (const id of (await idsIn(imagesDirectory)).sort()) {
    const marker = await readMarker(join(imagesDirectory, id));
    const current = (await currentId(imagesDirectory, nameOf(id))) === id;
    if (marker) images.push({ id, current, marker, users: users.get(id) ?? { nodes: [], slivers: 0 } });
  }
  return images;
}

/**
 * Takes an image away: that with this id, or that for which the name stands. BUSY while a node offers it or a sliver is
 * made over it.
 */
export async function removeImage(imagesDirectory: string, nameOrId: string): Promise<string> {
  const id = await presentId(imagesDirectory, nameOrId);
  const name = nameOf(id);
  using _name = await lockName({ imagesDirectory, name });
  using _uses = await lockUses(imagesDirectory);
  const users = (await imageUsers(imagesDirectory)).get(id);
  refuseUnless(
    !users,
    "BUSY",
    `the image ${id} is in use: ${users && describeUsers(users)}; end that use first`,
  );
  await removeImageFile(imagesDirectory, id);
  // Not an image any more from here on, wherever its deletion is interrupted.
  const gone = await mkdtemp(join(imagesDirectory, `.${name}-`));
  await rmdir(gone);
  await rename(join(imagesDirectory, id), gone);
  await removeUnfinished(imagesDirectory, name);
  return id;
}

export function describeUsers({ nodes, slivers }: ImageUsers): string {
  const offers = nodes.length > 0 ? [`offered by ${nodes.join(", ")}`] : [];
  return [...offers, ...(slivers > 0 ? [`${slivers} slivers`] : [])].join(" and ");
}

/** What came of recomputing an image's digest. `recorded` is absent for one put there by hand or made before digests. */
export type Verification = { readonly id: string; readonly recorded?: string; readonly found: string };

/** Recomputes an image's digest: what it is now. */
export async function verifyImage(imagesDirectory: string, nameOrId: string): Promise<Verification> {
  const id = await presentId(imagesDirectory, nameOrId);
  const image = (await findImage(imagesDirectory, id))!;
  const { digest: found } = await describeTree(image.root, image);
  return { id, found, ...(image.digest !== undefined && { recorded: image.digest }) };
}

async function presentId(imagesDirectory: string, nameOrId: string): Promise<string> {
  const candidates = isImageId(nameOrId)
    ? [nameOrId, await currentId(imagesDirectory, nameOf(nameOrId))]
    : [];
  const ids = await idsIn(imagesDirectory);
  // A name that is an id, too, means what it stands for.
  const id = (nameOrId.includes("@") ? candidates : candidates.reverse()).find((one) => ids.includes(one));
  if (id !== undefined) return id;
  const has = ids.length > 0 ? `there are ${ids.sort().join(", ")}` : "there are none at all";
  throw new Fault("BACKEND_FAILED", `there is no such image on this machine; ${has}`);
}

/** None where there is no such directory yet. Other things may lie there, too: what has no marker is no image. */
async function idsIn(imagesDirectory: string): Promise<string[]> {
  try {
    const names = (await readdir(imagesDirectory)).filter(isImageId);
    const markers = await Promise.all(names.map((name) => readMarker(join(imagesDirectory, name))));
    return names.filter((_, index) => markers[index] !== undefined);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
