import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { clashingPath, isInnerPath } from "#shared/model/slice-description.ts";
import { MOST_BYTES } from "../journal/private-file.ts";
import { UsageError } from "../terminal/exit-code.ts";
import { whyUnreadable } from "../terminal/named-file.ts";
import type { LaunchFile } from "./program-launch.ts";

/**
 * Reads files named as LOCAL or LOCAL:REMOTE, where REMOTE is relative to the sliver's home and, ending in a slash, a
 * directory. Modes are kept. Throws UsageError for what can't be read or put there.
 */
export async function readLaunchFiles(names: readonly string[]): Promise<LaunchFile[]> {
  const files = await Promise.all(names.map(readLaunchFile));
  const clash = clashingPath(files.map(({ path }) => path));
  if (clash !== undefined) throw new UsageError(`two files take the same place ${clash} in the sliver`);
  return files;
}

async function readLaunchFile(text: string): Promise<LaunchFile> {
  const colon = text.lastIndexOf(":");
  const local = colon === -1 ? text : text.slice(0, colon);
  const remote = colon === -1 ? "" : text.slice(colon + 1);
  const path = remote === "" || remote.endsWith("/") ? `${remote}${basename(local)}` : remote;
  if (!isInnerPath(path)) {
    throw new UsageError(
      `"${path}" is no path inside a home; write --file LOCAL:bin/run.sh, without .. or a leading /`,
    );
  }
  const { contents, mode } = await readLocal(local);
  if (!contents)
    throw new UsageError(
      `${local} has more than ${MOST_BYTES / 1024 ** 2} MiB, which is not kept for nodes that come later; use slice scp`,
    );
  const sha256 = createHash("sha256").update(contents).digest("hex");
  return { path, mode: mode & 0o777, sha256, contents };
}

/** Without contents when they are too many. */
async function readLocal(local: string): Promise<{ mode: number; contents?: Buffer }> {
  try {
    const { mode, size } = await stat(local);
    return size > MOST_BYTES ? { mode } : { mode, contents: await readFile(local) };
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const advice = code === "EISDIR" ? "copy it with slice scp -r first" : "name another file";
    throw new UsageError(`${local} cannot be read (${whyUnreadable(cause)}); ${advice}`, { cause });
  }
}
