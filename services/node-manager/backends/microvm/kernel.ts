import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Fault } from "#shared/model/errors.ts";
import { readIfPresent } from "#shared/runtime/durable-file.ts";
import { lockFile } from "#shared/runtime/lock-file.ts";
import { deleteTree } from "../machine/mounts.ts";
import { runProgram } from "../machine/program.ts";
import { archive, directoryEntry, fileEntry } from "./cpio.ts";
import { unpackLz4 } from "./lz4.ts";

const PACKAGE = "linux-image-cloud-amd64";
const BUILD_MILLISECONDS = 10 * 60_000;
const AGENT_SOURCES = join(import.meta.dirname, "agent");

/** What Debian's kernel does not have built in, each after those it needs. */
const MODULES = [
  ...["drivers/virtio/virtio_ring", "drivers/virtio/virtio", "drivers/virtio/virtio_mmio"],
  ...["drivers/char/virtio_console", "drivers/char/hw_random/virtio-rng", "drivers/block/virtio_blk"],
  ...["net/core/failover", "drivers/net/net_failover", "drivers/net/virtio_net"],
  ...["lib/libcrc32c", "fs/erofs/erofs", "fs/overlayfs/overlay"],
];

/** What every microvm of a machine boots from. */
export type Kernel = {
  /** Debian's package of it. */
  readonly version: string;
  /** The kernel, unpacked, which spares every microvm doing it. */
  readonly file: string;
  /** The initial file system: the agent, the modules. What a sliver's own holds follows it. */
  readonly initramfs: Buffer;
  /** The agent's program, which says the rate of this machine's time stamp counter when it is run on it. */
  readonly agent: string;
};

/** Where the machine keeps what only microvms need, beside its images. */
export function microvmDirectory(imagesDirectory: string): string {
  return join(imagesDirectory, ".microvm");
}

/**
 * The kernel that is kept beside the machine's images, and the agent as its source is now: fetched as Debian's package
 * and compiled if they are not there. It stays the same until somebody deletes it.
 */
export async function ensureKernel(imagesDirectory: string): Promise<Kernel> {
  const directory = microvmDirectory(imagesDirectory);
  await mkdir(directory, { recursive: true, mode: 0o755 });
  using _building = await lockFile(join(directory, ".lock"), "the kernel of microvms", BUILD_MILLISECONDS);
  const place = join(directory, "kernel");
  const version = (await versionAt(place)) ?? (await fetchKernel(directory, place));
  const agent = await ensureAgent(directory);
  return { version, file: join(place, "vmlinux"), agent, initramfs: await initramfs(place, agent) };
}

/** Whether the machine has one already. */
export async function hasKernel(imagesDirectory: string): Promise<boolean> {
  return (await versionAt(join(microvmDirectory(imagesDirectory), "kernel"))) !== undefined;
}

async function versionAt(place: string): Promise<string | undefined> {
  return (await readIfPresent(join(place, "version")))?.toString();
}

async function fetchKernel(directory: string, place: string): Promise<string> {
  for (const name of await readdir(directory)) {
    if (name.startsWith("fetching-")) await deleteTree(join(directory, name));
  }
  const scratch = await mkdtemp(join(directory, "fetching-"));
  const version = await currentPackage();
  const unpacked = join(scratch, "unpacked");
  await runProgram(
    `fetch Debian's kernel ${version} (is its package mirror reachable?)`,
    ["env", `--chdir=${scratch}`, "apt-get", "-o", "APT::Sandbox::User=root", "download", version],
    { patienceMilliseconds: BUILD_MILLISECONDS },
  );
  const file = (await readdir(scratch)).find((name) => name.endsWith(".deb"));
  await runProgram("unpack Debian's kernel", ["dpkg-deb", "-x", join(scratch, file ?? ""), unpacked]);
  const kernel = join(scratch, "kernel");
  await mkdir(kernel);
  await keep(unpacked, kernel, version);
  await rename(kernel, place);
  await deleteTree(scratch);
  return version;
}

/** The package that the one without a version stands for now. */
async function currentPackage(): Promise<string> {
  const said = await runProgram("ask which kernel Debian has", ["apt-cache", "depends", PACKAGE]);
  const version = /Depends: (linux-image-\S+)/.exec(said)?.[1];
  if (version) return version;
  throw new Fault("BACKEND_FAILED", `there is no package ${PACKAGE} here; run apt-get update and try again`);
}

/** The marker is written last. */
async function keep(unpacked: string, kernel: string, version: string): Promise<void> {
  const [image] = (await readdir(join(unpacked, "boot"))).filter((name) => name.startsWith("vmlinuz"));
  await writeFile(join(kernel, "vmlinux"), unpackKernel(await readFile(join(unpacked, "boot", image ?? ""))));
  const [release] = await readdir(join(unpacked, "lib/modules"));
  for (const module of MODULES) {
    const content = await readFile(join(unpacked, "lib/modules", release ?? "", "kernel", `${module}.ko`));
    await writeFile(join(kernel, `${basename(module)}.ko`), content);
  }
  await writeFile(join(kernel, "version"), version);
}

/** The packed part of a bzImage (Linux's "x86 boot protocol", 2.08 and later). */
function unpackKernel(image: Buffer): Buffer {
  const setup = (image.readUInt8(0x1f1) + 1) * 512;
  const [offset, length] = [image.readUInt32LE(0x248), image.readUInt32LE(0x24c)];
  try {
    return unpackLz4(image.subarray(setup + offset, setup + offset + length));
  } catch (cause) {
    throw new Fault("BACKEND_FAILED", "Debian's kernel is packed in a way nobody here can unpack", { cause });
  }
}

/** Compiled once for each state of its sources. */
async function ensureAgent(directory: string): Promise<string> {
  const names = (await readdir(AGENT_SOURCES)).sort();
  const hash = createHash("sha256");
  for (const name of names) hash.update(await readFile(join(AGENT_SOURCES, name)));
  const agent = join(directory, `agent-${hash.digest("hex").slice(0, 16)}`);
  if (await readIfPresent(agent)) return agent;
  const sources = names.filter((name) => name.endsWith(".c")).map((name) => join(AGENT_SOURCES, name));
  const options = ["-std=c17", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s"];
  const unfinished = join(dirname(agent), `unfinished-${basename(agent)}`);
  await runProgram("compile the agent of microvms (are gcc and libc6-dev installed?)", [
    "gcc",
    ...options,
    "-o",
    unfinished,
    ...sources,
  ]);
  await rename(unfinished, agent);
  return agent;
}

async function initramfs(place: string, agent: string): Promise<Buffer> {
  const paths = MODULES.map((module) => `${basename(module)}.ko`);
  const modules = await Promise.all(
    paths.map(async (path) => fileEntry(`modules.d/${path}`, await readFile(join(place, path)))),
  );
  const list = paths.map((path) => `/modules.d/${path}\n`).join("");
  return archive([
    directoryEntry("modules.d"),
    directoryEntry("seed"),
    fileEntry("modules", list),
    ...modules,
    fileEntry("init", await readFile(agent), 0o755),
  ]);
}
