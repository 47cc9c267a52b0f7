import { isThere, lackOf } from "../machine/presence.ts";
import { readImageSource } from "./image-source.ts";
import { type ImageWish, presentImage } from "./images.ts";
import { RECIPES } from "./recipes.ts";

/**
 * What the next start has to do for an image that a node is to offer: nothing, or make it, which `takes` so much; or why
 * it can't be made, as the end of a sentence.
 */
export type ImageProspect = { readonly name: string } & (
  | { readonly state: "there" }
  | { readonly state: "to-be-made"; readonly takes: string }
  | { readonly state: "impossible"; readonly reason: string }
);

/** How it stands with an image. Makes nothing, and asks nobody beyond this machine. */
export async function prospectOf(wish: ImageWish, imagesDirectory: string): Promise<ImageProspect> {
  const { name, source = name } = typeof wish === "string" ? { name: wish } : wish;
  if (await presentImage({ imagesDirectory, name, source })) return { name, state: "there" };
  const { takes, reason } = await making(source);
  return reason === undefined ? { name, state: "to-be-made", takes } : { name, state: "impossible", reason };
}

async function making(text: string): Promise<{ takes: string; reason: string | undefined }> {
  const source = readImageSource(text);
  switch (source.kind) {
    case "recipe": {
      const recipe = RECIPES[source.recipe];
      if (!recipe) return { takes: "", reason: `there is no recipe ${source.recipe}; give it a source` };
      return { takes: recipe.takes, reason: await lackOf(recipe.programs) };
    }
    case "path": {
      const reason = (await isThere(source.path)) ? undefined : `there is no ${source.path}`;
      return { takes: "as long as copying it", reason };
    }
    case "oci": {
      const reason = await lackOf({ skopeo: "skopeo", umoci: "umoci" });
      return { takes: `as long as copying ${source.reference}`, reason };
    }
    default:
      return source satisfies never;
  }
}
