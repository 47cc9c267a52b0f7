import koffi from "koffi";
import { Fault } from "#shared/model/errors.ts";

/*
 * Extended attributes (xattr(7)), which Node does not read. Links are not followed. Load this file where images are made,
 * not before: it brings a foreign function interface.
 */
const MOST_BYTES = 65_536; // what the kernel allows for a value, and for all names together
const ENOTSUP = 95;
const ENODATA = 61;

const libc = koffi.load("libc.so.6");
const llistxattr = libc.func("long llistxattr(const void *path, void *list, size_t size)");
const lgetxattr = libc.func("long lgetxattr(const void *path, str name, void *value, size_t size)");
const lremovexattr = libc.func("int lremovexattr(const void *path, str name)");

/** The names of a file's attributes; none on a file system that knows no such thing. */
export function attributeNames(path: Buffer): string[] {
  const room = Buffer.allocUnsafe(MOST_BYTES);
  const length = Number(llistxattr(terminated(path), room, room.length));
  if (length < 0) return failed("list", ENOTSUP) ?? [];
  return room.toString("latin1", 0, length).split("\0").slice(0, -1);
}

/** An attribute's value; undefined when the file has no such attribute. */
export function readAttribute(path: Buffer, name: string): Buffer | undefined {
  const room = Buffer.allocUnsafe(MOST_BYTES);
  const length = Number(lgetxattr(terminated(path), name, room, room.length));
  if (length < 0) return failed("read", ENOTSUP, ENODATA);
  return room.subarray(0, length);
}

export function removeAttribute(path: Buffer, name: string): void {
  if (lremovexattr(terminated(path), name) < 0) failed("remove", ENODATA);
}

function terminated(path: Buffer): Buffer {
  return Buffer.concat([path, Buffer.alloc(1)]);
}

function failed(what: string, ...harmless: readonly number[]): undefined {
  const number = koffi.errno();
  if (harmless.includes(number)) return undefined;
  throw new Fault("BACKEND_FAILED", `the node could not ${what} an image's attributes; try again`, {
    cause: new Error(`${what}xattr failed with error number ${number}`),
  });
}
