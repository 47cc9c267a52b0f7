import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import { lockFile } from "#shared/runtime/lock-file.ts";
import { type ImageOrder, importImage, recipeId } from "./image-import.ts";
import { readMarker } from "./image-marker.ts";
import { readName } from "./image-names.ts";
import type { ImageEnvironment, ImageProgram } from "./image-program.ts";
import { readImageSource } from "./image-source.ts";
import { RECIPES } from "./recipes.ts";

const BUILD_MILLISECONDS = 15 * 60_000;
const NAME = /^[a-z][a-z0-9.-]{0,31}$/;
/** What distinguishes an image from others of its name: its recipe's version, or how its digest begins. */
const ID = /^[a-z][a-z0-9.-]{0,31}(@([1-9][0-9]{0,3}|[0-9a-f]{16}))?$/;

/** A reference image: a root directory that every sliver of the machine shares and none can write to. */
export type Image = {
  readonly name: string;
  /**
   * What a disk made over this image is made over for ever: the name, and from a later recipe its version, from another
   * source the beginning of its digest.
   */
  readonly id: string;
  readonly root: string;
  /** Of the whole tree: `sha256:` and 64 hex digits. Absent for one that somebody put there by hand. */
  readonly digest?: string;
  /** What is to run in every sliver made over it, if it says so. */
  readonly program?: ImageProgram;
  /** What commands in such slivers find in their environment, if it says so. */
  readonly environment?: ImageEnvironment;
};

/** An image as a node's owner names it: by its name alone, or with where it comes from and the digest it must have. */
export type ImageWish = string | { readonly name: string; readonly source: string; readonly digest?: string };

export type ImageOptions = Omit<ImageOrder, "source"> & {
  /** Where the image comes from; absent: whatever the name stands for on this machine, or else its recipe. */
  readonly source?: string;
};

/**
 * The image of that name, made first if the machine does not have it: `busybox` takes a second, `debian-12` half a
 * minute and Debian's packages. It appears whole or not at all, and is made once however many processes ask. What the
 * source has become since then does not count; `addImage` asks again.
 */
export async function ensureImage(options: ImageOptions): Promise<Image> {
  checkName(options.name);
  await mkdir(options.imagesDirectory, { recursive: true, mode: 0o755 });
  const present = await presentImage(options);
  if (present) return checked(present, options);
  using _making = await lockName(options);
  return checked((await presentImage(options)) ?? (await make(options)), options);
}

/** Makes the name stand for what its source is now: another image, if the source gives another. */
export async function addImage(options: ImageOrder): Promise<Image> {
  checkName(options.name);
  readImageSource(options.source);
  await mkdir(options.imagesDirectory, { recursive: true, mode: 0o755 });
  using _making = await lockName(options);
  return make(options);
}

/** The image with this id if the machine has it. */
export async function findImage(imagesDirectory: string, id: string): Promise<Image | undefined> {
  if (!ID.test(id)) return undefined;
  const directory = join(imagesDirectory, id);
  const marker = await readMarker(directory);
  if (!marker) return undefined;
  const { digest, program, environment } = marker;
  return {
    ...{ name: nameOf(id), id, root: join(directory, "root") },
    ...(digest !== undefined && { digest }),
    ...(program && { program }),
    ...(environment && { environment }),
  };
}

/** The id of what a name stands for, wherever it comes from; there need be no such image. */
export async function currentId(imagesDirectory: string, name: string): Promise<string> {
  return (await readName(imagesDirectory, name))?.current ?? recipeId(name);
}

/** Whether this could be the id of an image. */
export function isImageId(text: string): boolean {
  return ID.test(text);
}

export function nameOf(id: string): string {
  return id.replace(/@.*/, "");
}

/** Held while an image of that name is made or removed. */
export function lockName({ imagesDirectory, name }: Pick<ImageOptions, "imagesDirectory" | "name">) {
  return lockFile(join(imagesDirectory, `.${name}.lock`), `the image ${name}`, BUILD_MILLISECONDS);
}

/** The image that `ensureImage` would take without making it. */
export async function presentImage({
  imagesDirectory,
  name,
  source,
}: Pick<ImageOptions, "imagesDirectory" | "name" | "source">): Promise<Image | undefined> {
  const id =
    source === undefined || source === name
      ? await currentId(imagesDirectory, name)
      : (await readName(imagesDirectory, name))?.sources[source];
  return id === undefined ? undefined : findImage(imagesDirectory, id);
}

async function make(options: ImageOptions): Promise<Image> {
  const { imagesDirectory, name, source = name } = options;
  if (source === name && !RECIPES[name])
    throw new Fault("BACKEND_FAILED", `there is no image ${name} here; choose one this node lists`);
  const id = await importImage({ ...options, source });
  return (await findImage(imagesDirectory, id))!;
}

function checked(image: Image, { digest }: ImageOptions): Image {
  refuseUnless(
    digest === undefined || image.digest === digest,
    "BACKEND_FAILED",
    `the image ${image.name} is not the one that is wanted; correct its source or its digest`,
  );
  return image;
}

function checkName(name: string): void {
  refuseUnless(NAME.test(name), "BACKEND_FAILED", "that is no name of an image; choose one this node lists");
}
