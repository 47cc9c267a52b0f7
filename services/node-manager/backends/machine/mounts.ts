import { readFile } from "node:fs/promises";
import { Fault } from "#shared/model/errors.ts";
import { waitUntil } from "./process.ts";
import { runProgram } from "./program.ts";

const UNMOUNT_MILLISECONDS = 5_000;

/** One line of /proc/self/mountinfo (proc(5)). */
export type Mount = {
  readonly point: string;
  readonly type: string;
  /** What was mounted: for a file system on a disk, its device. */
  readonly source: string;
  /** The options of the file system itself: for a cgroup (v1) its controllers. */
  readonly options: readonly string[];
};

/** Every mount this process sees. */
export async function readMounts(): Promise<Mount[]> {
  const lines = (await readFile("/proc/self/mountinfo", "utf8")).split("\n").filter((line) => line !== "");
  return lines.map((line) => {
    const [before = "", after = ""] = line.split(" - ");
    const [type = "", source = "", options = ""] = after.split(" ");
    return { point: unquote(before.split(" ")[4] ?? ""), type, source, options: options.split(",") };
  });
}

/** The mounts at these paths and beneath them, the uppermost last. */
export async function mountsUnder(...paths: readonly string[]): Promise<string[]> {
  const points = (await readMounts()).map(({ point }) => point);
  return points.filter((point) => paths.some((path) => point === path || point.startsWith(`${path}/`)));
}

/**
 * Mounts `layers` (the first on top, all read-only), `upper` over them, at `point`. Device nodes work nowhere in it,
 * so that none that is made or unpacked there opens a device of the machine.
 */
export async function mountOverlay(
  point: string,
  layers: readonly string[],
  upper: string,
  work: string,
): Promise<void> {
  const options = `lowerdir=${layers.join(":")},upperdir=${upper},workdir=${work},nodev`;
  await runProgram("mount the sliver's disk", [
    "mount",
    "-n",
    "-t",
    "overlay",
    "-o",
    options,
    "overlay",
    point,
  ]);
}

/** Undoes every mount at and beneath these paths, and returns only when the kernel lists none of them any more. */
export async function unmountAll(...paths: readonly string[]): Promise<void> {
  // What still holds a mount (an ending process, somebody's shell) gets a little time to let it go.
  const free = await waitUntil(async () => {
    const points = await mountsUnder(...paths);
    for (const point of points.reverse()) await unmount(point);
    return points.length === 0;
  }, UNMOUNT_MILLISECONDS);
  if (!free)
    throw new Fault(
      "BACKEND_FAILED",
      "the sliver's disk is in use on its node; end what uses it and try again",
    );
}

async function unmount(point: string): Promise<void> {
  try {
    await runProgram("unmount the sliver's disk", ["umount", "-n", point]);
  } catch (error) {
    if (!(error instanceof Fault)) throw error; // still listed, then: the caller asks again until its time is over
  }
}

/**
 * Deletes a directory with everything in it. Refuses while anything is mounted there, and does not cross into another
 * file system even so: what is mounted into a sliver's disk is never the sliver's to lose.
 */
export async function deleteTree(path: string): Promise<void> {
  const mounts = await mountsUnder(path);
  if (mounts.length > 0) {
    throw new Fault(
      "BACKEND_FAILED",
      "something is still mounted in what is to be deleted; unmount it and try again",
    );
  }
  await runProgram("delete the sliver's disk", ["rm", "-rf", "--one-file-system", "--", path]);
}

/** mountinfo writes space, tab, newline and backslash as a backslash and three octal digits. */
function unquote(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
