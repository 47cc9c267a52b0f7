import { Fault } from "#shared/model/errors.ts";
import { readIfPresent, writeDurably } from "#shared/runtime/durable-file.ts";
import { findImage, type Image } from "./images.ts";

/** What an engine offers, by name, and where the machine's images are. */
export type OfferedImages = {
  readonly images: ReadonlyMap<string, Image>;
  readonly imagesDirectory: string;
};

/** Notes in the file `record`, once and for as long as there is the sliver's disk, which image that belongs to. */
export async function recordImage(record: string, { id }: Image): Promise<void> {
  if ((await readIfPresent(record)) === undefined) await writeDurably(record, id);
}

/**
 * The image of a sliver: that which `record` names, else the one that is offered as `name`. A disk stays with the image
 * it was made over, also when the node offers others by now. Throws BACKEND_FAILED where it is not here.
 */
export async function imageOfSliver(
  record: string,
  name: string,
  { images, imagesDirectory }: OfferedImages,
): Promise<Image> {
  const recorded = (await readIfPresent(record))?.toString();
  const known = recorded === undefined ? images.get(name) : await findImage(imagesDirectory, recorded);
  if (known) return known;
  const what = recorded ?? name;
  throw new Fault("BACKEND_FAILED", `there is no image ${what} here; choose one this node lists`);
}
