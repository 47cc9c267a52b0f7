import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Cgroups } from "#services/node-manager/backends/machine/cgroups.ts";
import { layoutOf } from "#testbed/layout.ts";
import type { TestbedProcess } from "./testbed.ts";

const run = promisify(execFile);

/** What one testbed has on the machine: everything that carries the short ids of its nodes, or its own mark. */
export type Footprint = {
  readonly mounts: readonly string[];
  readonly cgroups: readonly string[];
  /** Living processes of slivers. */
  readonly processes: readonly string[];
  readonly namespaces: readonly string[];
  /** On the machine and in the namespaces of its nodes. */
  readonly links: readonly string[];
  readonly tables: readonly string[];
  /** Directories of slivers, which hold their disks. */
  readonly disks: readonly string[];
};

/** Whose footprint it is; to be asked for while the testbed runs, and good for afterwards too. */
export type Tracks = { readonly home: string; readonly mark: string; readonly nodes: readonly string[] };

export function tracksOf({ home, description }: TestbedProcess): Tracks {
  const { mark } = layoutOf(home);
  return { home, mark, nodes: description.nodes.map(({ node }) => node.slice(0, 8)) };
}

export async function footprintOf(tracks: Tracks): Promise<Footprint> {
  const { home, mark, nodes } = tracks;
  const names = [
    `slb${mark}`,
    `slv${mark}n`,
    `slicelab-${mark}-`,
    ...nodes.flatMap((node) => [`sl${node}`, `sm${node}`]),
  ];
  const ours = (text: string) => names.some((name) => text.startsWith(name));
  const namespaces = (await lines("ip", "netns", "list")).map((line) => line.split(" ")[0]!).filter(ours);
  const [mounts, cgroups, processes, links, tables, disks] = await Promise.all([
    mountsOf(home),
    cgroupsOf(nodes),
    processesOf(nodes),
    Promise.all([[], ...namespaces.map((name) => ["-n", name])].map(linksIn)),
    Promise.all([[], ...namespaces.map((name) => ["ip", "netns", "exec", name])].map(tablesIn)),
    disksOf(home, nodes),
  ]);
  return {
    ...{ mounts, cgroups, processes, namespaces: namespaces.sort(), disks },
    links: links.flat().filter(ours).sort(),
    tables: tables
      .flat()
      .filter((table) => nodes.some((node) => table.includes(node)))
      .sort(),
  };
}

/** Processes of slivers that are the first in their own world, by sliver. */
export async function firstProcesses(tracks: Tracks): Promise<Record<string, number>> {
  const found = await Promise.all(
    (await processesOf(tracks.nodes)).map(async (pid): Promise<[string, number][]> => {
      const [cgroup, status] = await Promise.all([factOf(pid, "cgroup"), factOf(pid, "status")]);
      const sliver = /slicelab-[0-9a-f]{8}-([0-9a-f]{16})/.exec(cgroup)?.[1];
      return sliver && /^NSpid:.*\t1$/m.test(status) ? [[sliver, Number(pid)]] : [];
    }),
  );
  return Object.fromEntries(found.flat());
}

async function mountsOf(home: string): Promise<string[]> {
  const mounts = (await readFile("/proc/self/mountinfo", "utf8")).split("\n");
  return mounts
    .map((line) => line.split(" ")[4] ?? "")
    .filter((point) => point.startsWith(`${home}/`))
    .sort();
}

async function cgroupsOf(nodes: readonly string[]): Promise<string[]> {
  const cgroups = await Cgroups.find();
  return (await Promise.all(nodes.map((node) => cgroups.startingWith(`slicelab-${node}`)))).flat().sort();
}

async function processesOf(nodes: readonly string[]): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const ours = await Promise.all(
    pids.map(async (pid) => {
      const [cgroup, status] = await Promise.all([factOf(pid, "cgroup"), factOf(pid, "status")]);
      return nodes.some((node) => cgroup.includes(`slicelab-${node}`)) && /^State:\s+[^Z]/m.test(status);
    }),
  );
  return pids.filter((_, at) => ours[at]);
}

/** A file about a process; empty when it has ended. */
async function factOf(pid: string, name: string): Promise<string> {
  try {
    return await readFile(`/proc/${pid}/${name}`, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return "";
    throw error;
  }
}

async function linksIn(where: readonly string[]): Promise<string[]> {
  const links = await lines("ip", ...where, "-o", "link");
  return links.map((line) => line.split(": ")[1]!.split("@")[0]!);
}

async function tablesIn(where: readonly string[]): Promise<string[]> {
  const [program, ...args] = [...where, "nft", "list", "tables"];
  return await lines(program!, ...args);
}

async function disksOf(home: string, nodes: readonly string[]): Promise<string[]> {
  const places = nodes.flatMap((node, at) =>
    ["container", "microvm"].map((engine) =>
      join(home, "nodes", String(at + 1), "state", engine, node, "slivers"),
    ),
  );
  const lists = await Promise.all(
    places.map(async (place) => (await namesIn(place)).map((name) => join(place, name))),
  );
  return lists.flat().sort();
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

async function lines(program: string, ...args: string[]): Promise<string[]> {
  const { stdout } = await run(program, args);
  return stdout.split("\n").filter((line) => line !== "");
}
