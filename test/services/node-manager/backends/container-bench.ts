import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, readFile, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Backend } from "#services/node-manager/backends/backend.ts";
import { type ContainerOptions, containerBackend } from "#services/node-manager/backends/container/engine.ts";
import { type Probe, probeMachine } from "#services/node-manager/backends/container/probe.ts";
import { Cgroups } from "#services/node-manager/backends/machine/cgroups.ts";
import { mountsUnder } from "#services/node-manager/backends/machine/mounts.ts";
import type { BackendBench } from "#test/contract/backend.ts";
import { eventually as soon } from "#test/support/deadline.ts";

export type ContainerBench = BackendBench & {
  readonly stateDirectory: string;
  readonly imagesDirectory: string;
  open(node: string, change?: Partial<ContainerOptions>): Promise<Backend>;
};

/** A scratch place for container backends over a busybox image; removes all their slivers at the end. */
export async function containerBench(): Promise<ContainerBench> {
  const directory = await mkdtemp(join(tmpdir(), "slicelab-container-"));
  const [stateDirectory, imagesDirectory] = [join(directory, "state"), join(directory, "images")];
  const opened = new Map<string, Backend>();

  async function open(node: string, change: Partial<ContainerOptions> = {}): Promise<Backend> {
    const now = () => 1_900_000_000;
    const options: ContainerOptions = {
      node,
      stateDirectory,
      imagesDirectory,
      images: ["busybox"],
      now,
      ...change,
    };
    const backend = await containerBackend(options);
    opened.set(node, backend);
    return backend;
  }

  return {
    stateDirectory,
    imagesDirectory,
    open,
    async [Symbol.asyncDispose]() {
      for (const backend of opened.values()) {
        for (const { id } of await backend.list()) await backend.remove(id);
        await backend.close?.();
      }
      // A node manager that was killed, or opened by other means, has left what only its next one would close.
      for (const point of await mountsUnder(stateDirectory)) {
        if (point.endsWith("/disks") && (await namesIn(point)).length === 0) execFileSync("umount", [point]);
      }
      const mounts = await readFile("/proc/self/mountinfo", "utf8");
      if (mounts.includes(directory)) throw new Error(`something is still mounted in ${directory}`);
      await rm(directory, { recursive: true });
    },
  };
}

/** Where what a sliver wrote lies on the machine. */
export async function upperOf(
  { stateDirectory }: Pick<ContainerBench, "stateDirectory">,
  node: string,
  id: string,
): Promise<string> {
  const bounded = join(stateDirectory, node, "disks", id, "upper");
  const isBounded = (await namesIn(join(stateDirectory, node, "disks"))).includes(id);
  return isBounded ? bounded : join(stateDirectory, node, "slivers", id, "upper");
}

/** The names in a directory, or none when it is not there. */
export async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/**
 * Whether container tests can run here; they are skipped with the reason where the machine lacks what they need. A
 * broken engine is no such reason.
 */
export async function engineProbe(): Promise<Probe> {
  const directory = await mkdtemp(join(tmpdir(), "slicelab-probe-"));
  const options = { stateDirectory: join(directory, "state"), imagesDirectory: join(directory, "images") };
  try {
    return await probeMachine({ ...options, now: () => 1_900_000_000 });
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Asks again until the answer is true; fails with `what` after forty seconds, which a busy machine may need. */
export async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  await soon(holds, { what, withinMs: 60_000 });
}

/**
 * Everything the machine still has that carries a node's short id: mounts, cgroups, processes, links, directories. Not
 * the file system for disks, which is there while a node manager is; the disks in it are.
 */
export async function leftovers(node: string, stateDirectory: string): Promise<string[]> {
  const mounts = (await readFile("/proc/self/mountinfo", "utf8"))
    .split("\n")
    .filter((line) => line.includes(node) && line.split(" ")[4] !== join(stateDirectory, node, "disks"));
  const cgroups = await (await Cgroups.find()).startingWith(`slicelab-${node}`);
  const processes = await processesOf(node);
  const slivers = await namesIn(join(stateDirectory, node, "slivers"));
  const disks = await namesIn(join(stateDirectory, node, "disks"));
  const containers = await namesIn(join(stateDirectory, node, "runc"));
  const links = execFileSync("ip", ["-o", "link"])
    .toString()
    .split("\n")
    .filter((line) => line.includes(`sl${node}`));
  const tables = execFileSync("nft", ["list", "tables"])
    .toString()
    .split("\n")
    .filter((line) => line.includes(node));
  const doors = (await namesIn("/run/slicelab")).filter((name) => name.includes(node));
  const ids = await idClaims(node);
  return [mounts, cgroups, processes, slivers, disks, containers, links, tables, doors, ids].flat();
}

/** The directories of the node's slivers that have user ids of this machine. */
export async function idClaims(node: string): Promise<string[]> {
  const directory = "/var/lib/slicelab/user-ids";
  const names = (await namesIn(directory)).filter((name) => /^\d+$/.test(name));
  const owners = await Promise.all(
    names.map((name) => readlink(join(directory, name)).catch(() => "")), // it may go meanwhile
  );
  return owners.filter((owner) => owner.includes(`/${node}/`));
}

/** The living processes of a node's slivers. A zombie is not one: reaping it is up to the machine's own init. */
export async function processesOf(node: string): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const facts = await Promise.all(
    pids.map(async (pid) => {
      const read = (name: string) => readFile(`/proc/${pid}/${name}`, "utf8").catch(() => ""); // it may end meanwhile
      const [cgroup, status] = await Promise.all([read("cgroup"), read("status")]);
      return cgroup.includes(`slicelab-${node}`) && status !== "" && !/^State:\s+Z/m.test(status);
    }),
  );
  return pids.filter((_, index) => facts[index]);
}
