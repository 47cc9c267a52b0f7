import { constants, type FileHandle, open } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { getSystemErrorName } from "node:util";
import koffi from "koffi";
import pLimit from "p-limit";

/*
 * What of btrfs takes a system call that Node does not make itself (linux/btrfs.h): a tenth of a millisecond each, where
 * a program to do it takes two. The numbers are those of x86-64 and arm64. Load this file where there is such a file
 * system, not before: it brings a foreign function interface.
 */
const RESIZE = 0x50009403;
const SUBVOLUME_CREATE = 0x5000940e;
const SUBVOLUME_DESTROY = 0x5000940f;
const INODE_LOOKUP = 0xd0009412;
const FILE_SYSTEM_INFO = 0x8400941f;
const QUOTA_CONTROL = 0xc0109428;
const QGROUP_CREATE = 0x4010942a;
const QGROUP_LIMIT = 0x8030942b;
const LOOP_SET_CAPACITY = 0x4c07;
const LOOP_SET_DIRECT_IO = 0x4c08;

const ENABLE_FULL_QUOTAS = 1n;
/** Charges every block to the subvolume that wrote it first, and keeps no other books (Linux 6.7). */
const ENABLE_SIMPLE_QUOTAS = 4n;
const LIMIT_REFERENCED = 1n;
/** The inode of every subvolume's uppermost directory, and the lowest number a subvolume can have. */
export const FIRST_NUMBER = 256;

const libc = koffi.load("libc.so.6");
const ioctl = libc.func("int ioctl(int fd, ulong request, void *bytes)");
const ioctlWithNumber = libc.func("int ioctl(int fd, ulong request, ulong number)");
/** Each may wait for the disk, on a thread that others need too: no more than a few at once. */
const few = pLimit(2);

/** A request that the kernel refused; `code` is an errno's name. */
export class BtrfsRefusal extends Error {
  readonly code: string;

  constructor(request: string, errno: number) {
    const code = getSystemErrorName(-errno);
    super(`the kernel refused to ${request}: ${code}`);
    this.code = code;
  }
}

/** Makes an empty subvolume. EEXIST when there is something of the name. */
export async function createSubvolume(path: string): Promise<void> {
  await ask("make a subvolume", dirname(path), SUBVOLUME_CREATE, named(basename(path)));
}

/**
 * Deletes a subvolume with all that is in it, at once: its room is free soon after. ENOENT when there is none,
 * ENOTEMPTY when there are subvolumes in it.
 */
export async function destroySubvolume(path: string): Promise<void> {
  await ask("delete a subvolume", dirname(path), SUBVOLUME_DESTROY, named(basename(path)));
}

/** The number of the subvolume in which a directory lies: also that of its quota group, on level 0. */
export async function subvolumeNumber(path: string): Promise<bigint> {
  const lookup = Buffer.alloc(4096); // struct btrfs_ioctl_ino_lookup_args: treeid, objectid, name
  lookup.writeBigUInt64LE(BigInt(FIRST_NUMBER), 8);
  await ask("name a subvolume", path, INODE_LOOKUP, lookup);
  return lookup.readBigUInt64LE(0);
}

/** Bounds what subvolume `number` may refer to: data, and what the file system keeps about its files. */
export async function limitSubvolume(anywhere: string, number: bigint, bytes: number): Promise<void> {
  const limit = Buffer.alloc(48); // struct btrfs_ioctl_qgroup_limit_args: qgroupid, flags, max_referenced, …
  limit.writeBigUInt64LE(number, 0);
  limit.writeBigUInt64LE(LIMIT_REFERENCED, 8);
  limit.writeBigUInt64LE(BigInt(bytes), 16);
  await ask("bound a subvolume", anywhere, QGROUP_LIMIT, limit);
}

/** Forgets the quota group of a subvolume that is no more. EBUSY or ENOENT where the kernel sees to it itself. */
export async function forgetSubvolume(anywhere: string, number: bigint): Promise<void> {
  const group = Buffer.alloc(16); // struct btrfs_ioctl_qgroup_create_args: create, qgroupid
  group.writeBigUInt64LE(number, 8);
  await ask("forget a quota group", anywhere, QGROUP_CREATE, group);
}

/** Counts from now on what every subvolume refers to, in the cheapest way the kernel knows. */
export async function enableQuotas(anywhere: string): Promise<void> {
  try {
    await ask("count", anywhere, QUOTA_CONTROL, quotaCommand(ENABLE_SIMPLE_QUOTAS));
  } catch (error) {
    if (!(error instanceof BtrfsRefusal) || error.code !== "EINVAL") throw error;
    await ask("count", anywhere, QUOTA_CONTROL, quotaCommand(ENABLE_FULL_QUOTAS));
  }
}

/** The name under which the kernel shows a file system in /sys/fs/btrfs. */
export async function fileSystemId(anywhere: string): Promise<string> {
  const info = Buffer.alloc(1024); // struct btrfs_ioctl_fs_info_args: max_id, num_devices, fsid[16], …
  await ask("name a file system", anywhere, FILE_SYSTEM_INFO, info);
  return info.toString("hex", 16, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Lets a file system on a loop device have all of a file that was made longer. */
export async function growToFile(anywhere: string, device: string): Promise<void> {
  await askWithNumber("see how long a file is", device, LOOP_SET_CAPACITY, 0);
  await ask("let a file system grow", anywhere, RESIZE, named("max"));
}

/** Lets a loop device read and write its file without keeping another copy in memory. EINVAL where it can't be. */
export async function setDirect(device: string): Promise<void> {
  await askWithNumber("go round the cache", device, LOOP_SET_DIRECT_IO, 1);
}

/** struct btrfs_ioctl_vol_args: fd, name. */
function named(name: string): Buffer {
  const bytes = Buffer.alloc(4096);
  bytes.write(name, 8, 4087);
  return bytes;
}

function quotaCommand(command: bigint): Buffer {
  const bytes = Buffer.alloc(16); // struct btrfs_ioctl_quota_ctl_args: cmd, status
  bytes.writeBigUInt64LE(command);
  return bytes;
}

function ask(request: string, path: string, number: number, bytes: Buffer): Promise<void> {
  return few(() => withOpen(path, (file) => call(request, ioctl, file.fd, number, bytes)));
}

function askWithNumber(request: string, path: string, number: number, value: number): Promise<void> {
  return few(() => withOpen(path, (file) => call(request, ioctlWithNumber, file.fd, number, value)));
}

async function withOpen<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

type Call = { async(...words: unknown[]): void };

function call(request: string, make: Call, fd: number, number: number, value: Buffer | number) {
  return new Promise<void>((resolve, reject) => {
    make.async(fd, number, value, (error: Error | null, result: number) => {
      if (error) reject(error);
      else if (result < 0) reject(new BtrfsRefusal(request, koffi.errno()));
      else resolve();
    });
  });
}
