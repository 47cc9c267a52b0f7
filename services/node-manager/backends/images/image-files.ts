import { lstatSync, readlinkSync, type Stats } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/*
 * Reading an image from outside. Its links were made by whoever made it, and mean what they mean inside: an absolute one
 * begins at the image's root, and none leads out of it. Names are looked up at once and not one after the other in other
 * threads: every start of a sliver does this some thirty times, and each takes microseconds.
 */
const MOST_LINKS = 40; // as in the kernel
const MOST_BYTES = 4 * 1024 * 1024;

/** Whether something has this name. A link counts as what it stands for, since a sliver's own disk may have that. */
export function isInImage(imageRoot: string, path: string): boolean {
  return placeOf(imageRoot, path, { lastLink: false }) !== undefined;
}

/**
 * A file of the image; undefined when it has none. What is no file counts as none (whoever opened a pipe would wait for
 * ever), and so does one that is longer than any that is read from here.
 */
export async function readInImage(imageRoot: string, path: string): Promise<string | undefined> {
  const place = pathInImage(imageRoot, path);
  const stats = place === undefined ? undefined : statsOf(place);
  return stats?.isFile() && stats.size <= MOST_BYTES ? readFile(place!, "utf8") : undefined;
}

/** The names in a directory of the image; none when it has none. */
export async function namesInImage(imageRoot: string, path: string): Promise<string[]> {
  const place = pathInImage(imageRoot, path);
  return place !== undefined && statsOf(place)?.isDirectory() ? readdir(place) : [];
}

/** Where something of the image is on this machine, without any link on the way; undefined when it is not there. */
export function pathInImage(imageRoot: string, path: string): string | undefined {
  return placeOf(imageRoot, path, { lastLink: true });
}

function placeOf(imageRoot: string, path: string, { lastLink }: { lastLink: boolean }): string | undefined {
  const names = namesOf(path);
  let inner: string[] = [];
  let links = 0;
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === "..") {
      inner.pop();
      continue;
    }
    const place = join(imageRoot, ...inner, name);
    const stats = statsOf(place);
    if (!stats) return undefined;
    if (!stats.isSymbolicLink() || (names.length === 0 && !lastLink)) {
      inner.push(name);
      continue;
    }
    links += 1;
    if (links > MOST_LINKS) return undefined;
    const target = readlinkSync(place);
    if (target.startsWith("/")) inner = [];
    names.unshift(...namesOf(target));
  }
  return join(imageRoot, ...inner);
}

function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

function statsOf(place: string): Stats | undefined {
  try {
    return lstatSync(place, { throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTDIR") return undefined;
    throw error;
  }
}
