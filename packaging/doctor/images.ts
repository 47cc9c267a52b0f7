import { prospectOf } from "#services/node-manager/backends/images/image-prospect.ts";
import { DEFAULT_IMAGES } from "#services/node-manager/backends/images/offered-images.ts";
import { hasKernel } from "#services/node-manager/backends/microvm/kernel.ts";
import { IMAGES_DIRECTORY } from "#services/node-manager/backends/open.ts";
import type { NodeManagerConfig } from "#services/node-manager/config.ts";
import type { Report } from "./finding.ts";

const MEND = "mend that, or take the image out of images";

/** Whether the machine has the images that the node offers, and for the others what its next start has to do. */
export async function checkImages(
  report: Report,
  {
    engines,
    images = DEFAULT_IMAGES,
    imagesDirectory = IMAGES_DIRECTORY,
  }: Pick<NodeManagerConfig, "engines" | "images" | "imagesDirectory">,
): Promise<void> {
  if (engines.every((engine) => engine === "simulated")) return; // nothing is in such slivers
  for (const wish of images) {
    const prospect = await prospectOf(wish, imagesDirectory);
    const check = `image ${prospect.name}`;
    if (prospect.state === "there") report.well(check, "the machine has it");
    else if (prospect.state === "impossible") report.trouble(check, prospect.reason, MEND);
    else report.well(check, `the next start makes it, which takes ${prospect.takes}`);
  }
  if (engines.includes("microvm") && !(await hasKernel(imagesDirectory))) {
    report.well("kernel", "the next start fetches Debian's for microvms, from a mirror of its packages");
  }
}
