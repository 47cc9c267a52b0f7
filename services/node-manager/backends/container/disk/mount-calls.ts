import koffi from "koffi";
import { Fault } from "#shared/model/errors.ts";

/*
 * The system calls of mounting that neither Node nor Debian 12's `mount` makes (mount_setattr(2), open_tree(2),
 * move_mount(2)). The numbers are those of x86-64 and arm64. Load this file where a sliver is started, not before: it
 * brings a foreign function interface.
 */
const OPEN_TREE = 428;
const MOVE_MOUNT = 429;
const MOUNT_SETATTR = 442;

const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const OPEN_TREE_CLONE = 1;
const OPEN_TREE_CLOEXEC = 0o2000000;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const MOUNT_ATTR_RDONLY = 0x1n;
const MOUNT_ATTR_NODEV = 0x4n;
const MOUNT_ATTR_IDMAP = 0x100000n;
const MNT_DETACH = 2;
const EINVAL = 22;
const ENOENT = 2;

const libc = koffi.load("libc.so.6");
const openTree = libc.func("long syscall(long call, int at, const char *path, uint flags)");
const moveMount = libc.func(
  "long syscall(long call, int at, const char *path, int toAt, const char *toPath, uint flags)",
);
const mountSetattr = libc.func(
  "long syscall(long call, int at, const char *path, uint flags, const void *attributes, ulong size)",
);
const umount2 = libc.func("int umount2(const char *path, int flags)");

/** A copy of a mount that is attached nowhere yet: a file descriptor, and gone when that is closed. */
export type Tree = number;

/** Copies what is mounted at `path`, without anything mounted beneath it. */
export function copyTree(path: string): Tree {
  return checked(
    openTree(OPEN_TREE, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC),
    "copy a mounted tree",
  );
}

/**
 * Makes what the tree shows read-only, without devices, and owned as the user namespace (a file descriptor) says: its
 * root's where it is root's on the disk.
 */
export function mapTree(tree: Tree, userNamespace: number): void {
  const set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV;
  const attributes = new BigUint64Array([set, 0n, 0n, BigInt(userNamespace)]); // struct mount_attr
  const bytes = new Uint8Array(attributes.buffer);
  checked(
    mountSetattr(MOUNT_SETATTR, tree, "", AT_EMPTY_PATH, bytes, bytes.length),
    "give a tree other owners",
  );
}

/** Mounts the tree at `path`. It stays when the file descriptor is closed. */
export function attachTree(tree: Tree, path: string): void {
  checked(moveMount(MOVE_MOUNT, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH), "attach a tree");
}

/** Takes the uppermost mount at `path` out of sight, also while it is used. Whether there was one. */
export function detach(path: string): boolean {
  const result = umount2(path, MNT_DETACH);
  if (result < 0 && [EINVAL, ENOENT].includes(koffi.errno())) return false;
  checked(result, "detach a tree");
  return true;
}

function checked(result: number, deed: string): number {
  if (result >= 0) return Number(result);
  throw new Fault("BACKEND_FAILED", "the sliver's disk could not be put together; try again", {
    cause: new Error(`could not ${deed}: error number ${koffi.errno()}`),
  });
}
