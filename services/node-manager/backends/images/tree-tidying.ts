import { rm } from "node:fs/promises";
import { refuseUnless } from "#shared/model/errors.ts";
import { attributeNames, readAttribute, removeAttribute } from "./extended-attributes.ts";
import { type ImageLimits, tooLarge } from "./image-limits.ts";
import { type TreeEntry, walkTree } from "./tree.ts";

/** What was taken away because no sliver could use it. */
export type Tidied = { readonly devices: number; readonly attributes: number };

const FILE_CAPABILITIES = "security.capability";
/** Belongs to the machine's own policy, not to the image. */
const LABEL = "security.selinux";
/** Bits of the capabilities that root keeps inside a sliver (../container/confinement.ts). */
const CAPABILITIES_INSIDE = 0x200405fb;
/** struct vfs_cap_data, second version: a word of flags, then twice permitted and inheritable. */
const SECOND_VERSION = 0x02000000;
const SECOND_VERSION_BYTES = 20;

/**
 * Takes out of an unpacked tree what does not belong into a root that slivers share: device nodes, which open nothing in a
 * sliver and everything outside of one; attributes, which may steer an overlay; and file capabilities that slivers lack, as
 * a program that has some of those can't be started at all. Programs that change their user (setuid) stay: inside a
 * sliver there are only the sliver's own users.
 *
 * TOO_LARGE when the tree has more than the limits.
 */
export async function tidyTree(root: string, limits: ImageLimits): Promise<Tidied> {
  let [bytes, entries, devices, attributes] = [0, 0, 0, 0];
  for await (const entry of walkTree(root)) {
    entries += 1;
    if (entry.stats.isFile()) bytes += Number(entry.stats.size);
    refuseUnless(bytes <= limits.bytes, "TOO_LARGE", tooLarge(limits));
    refuseUnless(
      entries <= limits.entries,
      "TOO_LARGE",
      `the image has more than ${limits.entries} files; leave out what slivers don't need`,
    );
    if (entry.stats.isBlockDevice() || entry.stats.isCharacterDevice()) {
      await rm(entry.path);
      devices += 1;
    } else attributes += dropAttributes(entry);
  }
  return { devices, attributes };
}

function dropAttributes({ path, stats }: TreeEntry): number {
  const unwanted = attributeNames(path).filter(
    (name) => name !== LABEL && !(name === FILE_CAPABILITIES && stats.isFile() && isUsable(path)),
  );
  for (const name of unwanted) removeAttribute(path, name);
  return unwanted.length;
}

function isUsable(path: Buffer): boolean {
  const value = readAttribute(path, FILE_CAPABILITIES);
  if (value?.length !== SECOND_VERSION_BYTES) return false;
  if ((value.readUInt32LE(0) & 0xff000000) !== SECOND_VERSION) return false;
  const [low, high] = [
    value.readUInt32LE(4) | value.readUInt32LE(8),
    value.readUInt32LE(12) | value.readUInt32LE(16),
  ];
  return (low & ~CAPABILITIES_INSIDE) === 0 && high === 0;
}
