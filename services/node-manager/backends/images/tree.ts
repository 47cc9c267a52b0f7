import type { BigIntStats } from "node:fs";
import { lstat, readdir } from "node:fs/promises";

/** One file, directory or whatever else of a tree. Names are bytes: an image need not know of UTF-8. */
export type TreeEntry = {
  /** Where it is on this machine. */
  readonly path: Buffer;
  /** Where it is in the tree: empty for the tree itself. */
  readonly inner: Buffer;
  readonly stats: BigIntStats;
};

const SLASH = Buffer.from("/");

/** Everything in a tree, directories before what is in them, in an order that its contents alone decide. */
export async function* walkTree(root: string): AsyncGenerator<TreeEntry> {
  const path = Buffer.from(root);
  const entries: TreeEntry[] = [{ path, inner: Buffer.alloc(0), stats: await lstat(path, { bigint: true }) }];
  for (let entry = entries.pop(); entry; entry = entries.pop()) {
    yield entry;
    if (entry.stats.isDirectory()) entries.push(...(await childrenOf(entry)));
  }
}

/** The last one first. */
async function childrenOf({ path, inner }: TreeEntry): Promise<TreeEntry[]> {
  const names = await readdir(path, { encoding: "buffer" });
  names.sort((one, other) => Buffer.compare(other, one));
  return Promise.all(
    names.map(async (name) => {
      const child = Buffer.concat([path, SLASH, name]);
      const stats = await lstat(child, { bigint: true });
      return { path: child, inner: inner.length === 0 ? name : Buffer.concat([inner, SLASH, name]), stats };
    }),
  );
}
