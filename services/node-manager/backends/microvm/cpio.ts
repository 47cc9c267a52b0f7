import { readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { type TreeEntry, walkTree } from "../images/tree.ts";

/** A file of an archive: its path in it, without a leading slash, and what the kernel makes of it. */
export type Entry = {
  readonly path: string;
  /** Its type and permissions, as stat(2) has them. */
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
  /** What is in it, or where a symbolic link leads. */
  readonly content?: Buffer;
};

const DIRECTORY = 0o040_755;
const FILE = 0o100_644;
const TYPE = 0o170_000;

export function directoryEntry(path: string): Entry {
  return { path, mode: DIRECTORY };
}

export function fileEntry(path: string, content: Buffer | string, permissions = 0o644): Entry {
  return { path, mode: (FILE & TYPE) | permissions, content: Buffer.from(content) };
}

/**
 * Everything beneath a directory, under `prefix`, owned as it is there. What is no file, directory or link is left out;
 * links are taken as they are, and nothing that they lead to.
 */
export async function entriesBeneath(directory: string, prefix: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const found of walkTree(directory)) {
    const entry = found.inner.length === 0 ? undefined : await entryOf(found, prefix);
    if (entry) entries.push(entry);
  }
  return entries;
}

async function entryOf({ path, inner, stats }: TreeEntry, prefix: string): Promise<Entry | undefined> {
  const [mode, uid, gid] = [Number(stats.mode), Number(stats.uid), Number(stats.gid)];
  const facts = { path: join(prefix, inner.toString()), mode, uid, gid };
  if (stats.isDirectory()) return facts;
  if (stats.isFile()) return { ...facts, content: await readFile(path) };
  return stats.isSymbolicLink() ? { ...facts, content: await readlink(path, "buffer") } : undefined;
}

/** An archive in the one format the kernel unpacks initial file systems from ("newc"); several may follow one another. */
export function archive(entries: readonly Entry[]): Buffer {
  const parts = entries.map((entry, index) => record(entry, index + 1));
  return Buffer.concat([...parts, record({ path: "TRAILER!!!", mode: 0 }, 0)]);
}

function record({ path, mode, uid = 0, gid = 0, content = Buffer.alloc(0) }: Entry, inode: number): Buffer {
  const name = Buffer.from(`${path}\0`);
  const fields = [inode, mode, uid, gid, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
  return Buffer.concat([aligned(Buffer.from(header), name), aligned(content)]);
}

function aligned(...parts: readonly Buffer[]): Buffer {
  const whole = Buffer.concat(parts);
  return Buffer.concat([whole, Buffer.alloc((4 - (whole.length % 4)) % 4)]);
}
