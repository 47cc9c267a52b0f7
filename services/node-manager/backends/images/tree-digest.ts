import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, readlink } from "node:fs/promises";
import { readAttribute } from "./extended-attributes.ts";
import type { ImageEnvironment, ImageProgram } from "./image-program.ts";
import { type TreeEntry, walkTree } from "./tree.ts";

/** Larger files are not read into memory. */
const SMALL = 1024 * 1024;
/** So many files are read at once. */
const AT_ONCE = 32;

/** What a tree contains, and the digest that says so: `sha256:` and 64 hex digits. */
export type TreeDescription = {
  readonly digest: string;
  readonly bytes: number;
  readonly entries: number;
};

/** What an image says besides its files, and is pinned with them. */
export type Sayings = { readonly program?: ImageProgram; readonly environment?: ImageEnvironment };

/**
 * The digest of an image: SHA-256 over one line for each entry (docs/decisions/0011) with its kind, mode, owner, contents or
 * target, file capabilities and name, after what it says about running it. Times do not count, nor does where the tree lies or what packed it.
 */
export async function describeTree(root: string, sayings: Sayings): Promise<TreeDescription> {
  const hash = createHash("sha256").update("slicelab-image 1\n");
  if (sayings.program) hash.update(`program ${JSON.stringify(inOrder(sayings.program))}\n`);
  for (const [name, value] of Object.entries(sayings.environment ?? {}))
    hash.update(`variable ${JSON.stringify([name, value])}\n`);
  const links = new Map<string, string>();
  let [bytes, entries] = [0, 0];
  let waiting: TreeEntry[] = [];
  async function take(): Promise<void> {
    const lines = await Promise.all(waiting.map((entry) => lineOf(entry, links)));
    for (const line of lines) hash.update(`${line}\n`);
    waiting = [];
  }
  for await (const entry of walkTree(root)) {
    waiting.push(entry);
    entries += 1;
    if (entry.stats.isFile()) bytes += Number(entry.stats.size);
    if (waiting.length === AT_ONCE) await take();
  }
  await take();
  return { digest: `sha256:${hash.digest("hex")}`, bytes, entries };
}

function inOrder({ argv, user, workingDirectory }: ImageProgram): unknown[] {
  return [argv, user.uid, user.gid, user.home, workingDirectory];
}

/** `links`: the names under which files with several names came first; said before anything is waited for. */
async function lineOf(entry: TreeEntry, links: Map<string, string>): Promise<string> {
  const { path, stats } = entry;
  const name = `/${quoted(entry.inner)}`;
  const mode = (stats.mode & 0o7777n).toString(8).padStart(4, "0");
  const owned = (kind: string, ...more: unknown[]) =>
    [kind, mode, stats.uid, stats.gid, ...more, name].join(" ");
  if (stats.isDirectory()) return owned("directory");
  if (stats.isSymbolicLink()) return owned("link", quoted(await readlink(path, { encoding: "buffer" })));
  if (!stats.isFile()) return owned(stats.isFIFO() ? "fifo" : "other");
  if (stats.nlink > 1n) {
    const first = links.get(`${stats.dev}:${stats.ino}`);
    if (first !== undefined) return `same ${first} ${name}`;
    links.set(`${stats.dev}:${stats.ino}`, name);
  }
  const capability = readAttribute(path, "security.capability")?.toString("hex") ?? "-";
  return owned("file", stats.size, await contentsDigest(path, Number(stats.size)), capability);
}

async function contentsDigest(path: Buffer, size: number): Promise<string> {
  const hash = createHash("sha256");
  if (size <= SMALL) hash.update(await readFile(path));
  else await readInto(hash, path);
  return hash.digest("hex");
}

async function readInto(hash: Hash, path: Buffer): Promise<void> {
  for await (const chunk of createReadStream(path, { highWaterMark: SMALL })) hash.update(chunk as Buffer);
}

/** Bytes outside of visible ASCII as `%` and two hex digits. */
function quoted(name: Buffer): string {
  return name
    .toString("latin1")
    .replace(
      /[^!-$&-~]/g,
      (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
    );
}
