import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import { readIfPresent, removeDurably, writeDurably } from "#shared/runtime/durable-file.ts";
import { lockFile } from "#shared/runtime/lock-file.ts";

/*
 * Which images of the machine are in use, told by files alone, since no node manager need be running. Each engine of each
 * node says in a file which images it offers and where its slivers are; each sliver says itself which it is made over.
 */
const USES = ".nodes";
const LOCK_MILLISECONDS = 60_000;

const schema = z.object({ slivers: z.string(), offers: z.array(z.string()) });

/** What one engine of one node uses. `slivers`: a directory of directories, each with a file `image` that holds an id. */
export type ImageUse = z.infer<typeof schema>;

/** Who an image can't be taken away from. */
export type ImageUsers = { readonly nodes: readonly string[]; readonly slivers: number };

/**
 * Says what an engine uses, before any sliver is made over what it offers. `holder` is the node's short id and the engine.
 * BUSY when one of the images was removed just now.
 */
export async function recordUse(imagesDirectory: string, holder: string, use: ImageUse): Promise<void> {
  using _uses = await lockUses(imagesDirectory);
  const present = new Set(await readdir(imagesDirectory));
  refuseUnless(
    use.offers.every((id) => present.has(id)),
    "BUSY",
    "an image of this node was removed while it started; start it again",
  );
  const directory = join(imagesDirectory, USES);
  await mkdir(directory, { recursive: true, mode: 0o755 });
  await forgetGone(directory);
  await writeDurably(join(directory, `${holder}.json`), `${JSON.stringify(use)}\n`, 0o644);
}

/** Held while what is in use is looked at and acted on. */
export function lockUses(imagesDirectory: string): Promise<Disposable> {
  return lockFile(join(imagesDirectory, ".uses.lock"), "the list of images in use", LOCK_MILLISECONDS);
}

/** Who uses each image: nodes that offer it since they last started, and slivers made over it. */
export async function imageUsers(imagesDirectory: string): Promise<ReadonlyMap<string, ImageUsers>> {
  const users = new Map<string, { nodes: string[]; slivers: number }>();
  const of = (id: string) => {
    const known = users.get(id) ?? { nodes: [], slivers: 0 };
    users.set(id, known);
    return known;
  };
  const directory = join(imagesDirectory, USES);
  for (const file of (await namesIn(directory)) ?? []) {
    const use = await readUse(join(directory, file));
    const slivers = use && (await namesIn(use.slivers));
    if (!use || !slivers) continue; // the node's state is gone, and its slivers with it
    for (const id of use.offers) of(id).nodes.push(file.replace(/\.json$/, ""));
    for (const sliver of slivers) {
      const id = await imageOf(join(use.slivers, sliver));
      if (id !== undefined) of(id).slivers += 1;
    }
  }
  return users;
}

/** Undefined for what is no sliver or has no disk yet. */
async function imageOf(sliver: string): Promise<string | undefined> {
  try {
    return (await readIfPresent(join(sliver, "image")))?.toString();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTDIR") return undefined;
    throw error;
  }
}

async function forgetGone(directory: string): Promise<void> {
  for (const file of (await namesIn(directory)) ?? []) {
    const use = await readUse(join(directory, file));
    if (use && (await namesIn(use.slivers)) === undefined) await removeDurably(join(directory, file));
  }
}

async function readUse(path: string): Promise<ImageUse | undefined> {
  const bytes = path.endsWith(".json") ? await readIfPresent(path) : undefined;
  if (!bytes) return undefined;
  try {
    return schema.parse(JSON.parse(bytes.toString()));
  } catch (cause) {
    // Nothing is removed on a guess.
    throw new Fault(
      "BACKEND_FAILED",
      "what a node says it uses of the images can't be read; start that node again",
      {
        cause,
      },
    );
  }
}

/** Undefined where there is no such directory. */
async function namesIn(directory: string): Promise<string[] | undefined> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
