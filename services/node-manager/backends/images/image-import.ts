import { chmod, chown, mkdir, mkdtemp, readdir, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import { readIfPresent, syncDirectory } from "#shared/runtime/durable-file.ts";
import { deleteTree } from "../machine/mounts.ts";
import { runProgram } from "../machine/program.ts";
import { IMAGE_LIMITS, type ImageLimits } from "./image-limits.ts";
import { type ImageMarker, readMarker, writeMarker } from "./image-marker.ts";
import { readName, writeName } from "./image-names.ts";
import { readProgram } from "./image-program.ts";
import { type ImageSource, readImageSource } from "./image-source.ts";
import { unpackOciImage } from "./oci-image.ts";
import { RECIPES } from "./recipes.ts";
import { describeTree } from "./tree-digest.ts";
import { tidyTree } from "./tree-tidying.ts";
import { copyTree, unpackTar } from "./unpacking.ts";

/** What is made into an image. */
export type ImageOrder = {
  readonly imagesDirectory: string;
  readonly name: string;
  /** As people write it; see `readImageSource`. */
  readonly source: string;
  /** Present: the digest the image must have. */
  readonly digest?: string;
  readonly limits?: ImageLimits;
  readonly now: () => Instant;
};

/** Digits of an image's digest in its id: two images of one name never share so many by accident. */
const ID_DIGITS = 16;
const SYNC_MILLISECONDS = 10 * 60_000;

/** The id of the image a recipe makes. The first recipe's images carry no version. */
export function recipeId(name: string): string {
  const version = RECIPES[name]?.version ?? 1;
  return version === 1 ? name : `${name}@${version}`;
}

/**
 * Makes an image beside those that are there; it appears whole or not at all, and is on the disk when this returns. Gives its
 * id: content that was there already under the name keeps the id it has. Whoever calls this holds the name's lock.
 */
export async function importImage(order: ImageOrder): Promise<string> {
  const { imagesDirectory, name, source } = order;
  await removeUnfinished(imagesDirectory, name);
  const staging = await mkdtemp(join(imagesDirectory, `.${name}-`));
  try {
    const made = await make(order, readImageSource(source), staging);
    const id = await keep(order, made, staging);
    // A name without this stands for its recipe, whichever version that has.
    if (source !== name || (await readName(imagesDirectory, name)))
      await writeName(imagesDirectory, name, { id, source });
    return id;
  } finally {
    await deleteTree(staging);
  }
}

type Made = { readonly id: string; readonly marker: ImageMarker & { readonly digest: string } };

async function make(order: ImageOrder, source: ImageSource, staging: string): Promise<Made> {
  const { name, now, limits = IMAGE_LIMITS } = order;
  const root = join(staging, "root");
  await mkdir(root, { mode: 0o755 });
  const told = await fill(source, { root, staging, limits });
  await chmod(root, 0o755);
  await chown(root, 0, 0);
  await tidyTree(root, limits);
  const { digest, bytes } = await describeTree(root, told);
  refuseUnless(
    order.digest === undefined || order.digest === digest,
    "BACKEND_FAILED",
    `the image ${name} is not the one that is wanted: its digest is ${digest}; correct the source or the digest`,
  );
  const own = source.kind === "recipe" && source.recipe === name;
  const id = own ? recipeId(name) : `${name}@${digest.slice("sha256:".length, "sha256:".length + ID_DIGITS)}`;
  return { id, marker: { ...told, source: order.source, made: formatInstant(now()), digest, bytes } };
}

type Filling = { readonly root: string; readonly staging: string; readonly limits: ImageLimits };

/** Puts what the source holds into the root, and gives what it says besides. */
async function fill(source: ImageSource, { root, staging, limits }: Filling): Promise<Partial<ImageMarker>> {
  switch (source.kind) {
    case "recipe": {
      const recipe = RECIPES[source.recipe];
      const names = Object.keys(RECIPES).join(", ");
      refuseUnless(recipe, "BACKEND_FAILED", `there is no recipe ${source.recipe}; there are ${names}`);
      await recipe.build(root);
      return { version: recipe.version };
    }
    case "oci": {
      const layout = join(staging, "layout");
      const { manifest, wishes } = await unpackOciImage(source.reference, { layout, root, limits });
      return { manifest, ...(await readProgram(wishes, root)) };
    }
    case "path":
      return fillFromPath(source.path, { root, staging, limits });
    default:
      return source satisfies never;
  }
}

async function fillFromPath(path: string, filling: Filling): Promise<Partial<ImageMarker>> {
  const { root, limits } = filling;
  if (!(await isDirectory(path))) await unpackTar(path, root, limits);
  else if (await readIfPresent(join(path, "oci-layout")))
    return fill({ kind: "oci", reference: `oci:${path}` }, filling);
  else await copyTree(path, root, limits);
  const names = await readdir(root);
  refuseUnless(names.length > 0, "MALFORMED", "the image is empty; give a root directory or the tar of one");
  refuseUnless(
    !names.includes("oci-layout") && !(names.includes("manifest.json") && names.includes("repositories")),
    "MALFORMED",
    "that is an archive of an OCI or Docker image, not of a root; write oci-archive: or docker-archive: before its path",
  );
  return {};
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    if (!["ENOENT", "ENOTDIR", "EACCES"].includes((cause as NodeJS.ErrnoException).code ?? "")) throw cause;
    throw new Fault("BACKEND_FAILED", "the image's source is not on this machine; correct its path", {
      cause,
    });
  }
}

/** Gives the image its place, unless exactly this one has it already. */
async function keep(order: ImageOrder, { id, marker }: Made, staging: string): Promise<string> {
  const { imagesDirectory, name } = order;
  const place = join(imagesDirectory, id);
  const present = await readMarker(place);
  if (present) {
    refuseUnless(
      present.digest === marker.digest || id === recipeId(name),
      "BACKEND_FAILED",
      `another image has the id ${id} already; choose another name`,
    );
    return id;
  }
  await writeMarker(staging, { name, ...marker });
  await chmod(staging, 0o755);
  await runProgram("put the image on the disk", ["sync", "--file-system", staging], {
    patienceMilliseconds: SYNC_MILLISECONDS,
  });
  await rename(staging, place);
  await syncDirectory(imagesDirectory);
  return id;
}

/** What was left of images of this name whose making or removal was killed. Whoever calls this holds the name's lock. */
export async function removeUnfinished(imagesDirectory: string, name: string): Promise<void> {
  for (const entry of await readdir(imagesDirectory)) {
    const [, of] = /^\.([a-z][a-z0-9.-]*)(?:@[0-9a-f]+)?-[A-Za-z0-9]{6}$/.exec(entry) ?? [];
    if (of === name) await deleteTree(join(imagesDirectory, entry));
  }
}
