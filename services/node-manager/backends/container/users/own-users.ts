import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "#shared/model/errors.ts";
import { deleteTree, unmountAll } from "../../machine/mounts.ts";
import { runProgram } from "../../machine/program.ts";
import { mountDisk } from "../disk/mapped-disk.ts";
import type { NodePlaces } from "../places.ts";
import { FIRST_BASE } from "./id-blocks.ts";

/**
 * Why slivers here can have no users of their own, as a sentence for whoever runs the node; undefined when they can.
 * Found out by trying, over the layer of an image, on the disk that the slivers' own lie on.
 */
export async function withoutOwnUsers(node: NodePlaces, layer: string): Promise<string | undefined> {
  const trial = join(node.directory, "trial");
  const disk = {
    root: join(trial, "root"),
    upper: join(trial, "upper"),
    work: join(trial, "work"),
    layers: join(trial, "layers"),
  };
  await clear(trial);
  try {
    for (const directory of Object.values(disk)) await mkdir(directory, { recursive: true, mode: 0o700 });
    await mountDisk(disk, { base: FIRST_BASE }, [layer]);
    await mountKernelFiles();
    return undefined;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return `root inside slivers is root outside, held by capabilities and filters alone: ${firstCause(error)}`;
  } finally {
    await clear(trial);
  }
}

/**
 * /proc and /sys in a user namespace: the kernel refuses them where the machine's own are partly hidden, as in a Docker
 * container, until whole ones are mounted anywhere beside them.
 */
async function mountKernelFiles(): Promise<void> {
  const namespaces = ["--user", "--map-root-user", "--mount", "--pid", "--net", "--fork"];
  const script = "mount -t proc proc /proc && mount -t sysfs sysfs /sys";
  await runProgram("mount /proc and /sys for users of a sliver's own", [
    "unshare",
    ...namespaces,
    "sh",
    "-c",
    script,
  ]);
}

async function clear(trial: string): Promise<void> {
  await unmountAll(trial);
  await deleteTree(trial);
}

/** What the kernel or a program said: this is read on the machine itself. */
function firstCause(error: Error): string {
  return error.cause instanceof Error ? firstCause(error.cause) : error.message;
}
