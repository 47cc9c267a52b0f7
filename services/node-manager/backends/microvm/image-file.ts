import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { lockFile } from "#shared/runtime/lock-file.ts";
import { findImage, type Image } from "../images/images.ts";
import { isThere } from "../machine/presence.ts";
import { runProgram } from "../machine/program.ts";
import { microvmDirectory } from "./kernel.ts";

const UNFINISHED = "unfinished-";
const BUILD_MILLISECONDS = 10 * 60_000;

/**
 * A reference image as one file that any number of microvms read as a disk: made once for each image of the machine, and
 * not packed, so that the machine's memory holds each of its pages once and no microvm unpacks any.
 */
export async function ensureImageFile(imagesDirectory: string, image: Image): Promise<string> {
  const directory = microvmDirectory(imagesDirectory);
  const file = fileOf(imagesDirectory, image.id);
  if (await isThere(file)) return file;
  const what = `the disk of the image ${image.name}`;
  using _building = await lockFile(join(directory, `.${image.id}.lock`), what, BUILD_MILLISECONDS);
  if (await isThere(file)) return file;
  const unfinished = join(directory, `${UNFINISHED}${image.id}.erofs`);
  const argv = ["mkfs.erofs", "--quiet", unfinished, image.root] as const;
  await runProgram(`make a disk of the image ${image.name} (is erofs-utils installed?)`, argv, {
    patienceMilliseconds: BUILD_MILLISECONDS,
  });
  await rename(unfinished, file);
  return file;
}

/** Forgets the file of an image that is about to be removed. */
export async function removeImageFile(imagesDirectory: string, id: string): Promise<void> {
  await rm(fileOf(imagesDirectory, id), { force: true });
}

function fileOf(imagesDirectory: string, id: string): string {
  return join(microvmDirectory(imagesDirectory), `${id}.erofs`);
}

/** Removes the files of images that the machine has no more. Nobody can have removed one that a sliver is made over. */
export async function forgetRemovedImages(imagesDirectory: string): Promise<void> {
  const directory = microvmDirectory(imagesDirectory);
  for (const name of await readdir(directory)) {
    const id = /^([a-z].*)\.erofs$/.exec(name)?.[1];
    if (id === undefined || name.startsWith(UNFINISHED)) continue;
    if (!(await findImage(imagesDirectory, id))) await rm(join(directory, name), { force: true });
  }
}
