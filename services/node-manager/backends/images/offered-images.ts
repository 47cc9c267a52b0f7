import type { Instant } from "#shared/model/time.ts";
import type { ImageLimits } from "./image-limits.ts";
import { recordUse } from "./image-uses.ts";
import { ensureImage, type Image, type ImageWish } from "./images.ts";

/** What is offered where nobody says anything else. */
export const DEFAULT_IMAGES: readonly [ImageWish, ...ImageWish[]] = ["debian-12"];

/** What of an engine's options says which images it offers. */
export type ImageOffer = {
  readonly imagesDirectory: string;
  /** The images offered, the default one first; those the machine lacks are made. */
  readonly images?: readonly [ImageWish, ...ImageWish[]];
  /** How large an image may become that is made now. */
  readonly imageLimits?: ImageLimits;
  readonly now: () => Instant;
};

/**
 * The images an engine offers, by their names, the default one first. Nobody removes them from the machine as long as it
 * does. `holder` is the node's short id and the engine; `slivers` its directory of slivers, each with a file `image`.
 */
export async function openImages(
  { images: wishes = DEFAULT_IMAGES, imagesDirectory, imageLimits: limits, now }: ImageOffer,
  { holder, slivers }: { holder: string; slivers: string },
): Promise<ReadonlyMap<string, Image>> {
  const images = new Map<string, Image>();
  for (const wish of wishes) {
    const order = typeof wish === "string" ? { name: wish } : wish;
    images.set(order.name, await ensureImage({ ...order, imagesDirectory, limits, now }));
  }
  const offers = Array.from(images.values(), ({ id }) => id);
  await recordUse(imagesDirectory, holder, { slivers, offers });
  return images;
}

/** What of them an engine's statement says. */
export function statementOf(images: ReadonlyMap<string, Image>) {
  const names = [...images.keys()];
  const known = [...images.values()].filter(({ digest }) => digest !== undefined);
  return {
    images: names,
    defaultImage: names[0]!,
    imageDigests: Object.fromEntries(known.map(({ name, digest }) => [name, digest!])),
  };
}
