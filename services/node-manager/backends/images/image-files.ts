import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";

/*
 * Reading an image from outside. Its links were made by whoever made it, and mean what they mean inside: an absolute one
 * begins at the image's root, and none leads out of it.
 */
const MOST_LINKS = 40; // as in the kernel

/** Whether something has this name. A link counts as what it stands for, since a sliver's own disk may have that. */
export async function isInImage(imageRoot: string, path: string): Promise<boolean> {
  return (await placeOf(imageRoot, path, { lastLink: false })) !== undefined;
}

/** A file of the image; undefined when it has none. */
export async function readInImage(imageRoot: string, path: string): Promise<string | undefined> {
  const place = await pathInImage(imageRoot, path);
  return place === undefined ? undefined : readFile(place, "utf8");
}

/** The names in a directory of the image; none when it has none. */
export async function namesInImage(imageRoot: string, path: string): Promise<string[]> {
  const place = await pathInImage(imageRoot, path);
  return place !== undefined && (await lstat(place)).isDirectory() ? readdir(place) : [];
}

/** Where something of the image is on this machine, without any link on the way; undefined when it is not there. */
export function pathInImage(imageRoot: string, path: string): Promise<string | undefined> {
  return placeOf(imageRoot, path, { lastLink: true });
}

async function placeOf(
  imageRoot: string,
  path: string,
  { lastLink }: { lastLink: boolean },
): Promise<string | undefined> {
  const names = namesOf(path);
  let inner: string[] = [];
  let links = 0;
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === "..") {
      inner.pop();
      continue;
    }
    const place = join(imageRoot, ...inner, name);
    const stats = await ifThere(() => lstat(place));
    if (!stats) return undefined;
    if (!stats.isSymbolicLink() || (names.length === 0 && !lastLink)) {
      inner.push(name);
      continue;
    }
    links += 1;
    if (links > MOST_LINKS) return undefined;
    const target = await readlink(place);
    if (target.startsWith("/")) inner = [];
    names.unshift(...namesOf(target));
  }
  return join(imageRoot, ...inner);
}

function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

async function ifThere<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
