import { chmod, copyFile, mkdir, mkdtemp, readdir, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import { readIfPresent } from "#shared/runtime/durable-file.ts";
import { lockFile } from "#shared/runtime/lock-file.ts";
import { deleteTree } from "./mounts.ts";
import { runProgram } from "./program.ts";

const BUILD_MILLISECONDS = 15 * 60_000;
const NAME = /^[a-z][a-z0-9.-]{0,31}$/;
/** The last thing written into an image: what has no marker is not one. */
const MARKER = "image.json";

/** A reference image: a root directory that every sliver of the machine shares and none can write to. */
export type Image = { readonly name: string; readonly root: string };

export type ImageOptions = {
  /** Where the machine keeps its images; shared by all of its nodes. */
  readonly imagesDirectory: string;
  /** `debian-12`, `busybox`, or one that somebody put into the directory as `<name>/root` with a marker. */
  readonly name: string;
  /** The time written into the marker of an image that is built now. */
  readonly now: () => Instant;
};

type Build = (root: string) => Promise<void>;
const BUILDS: Readonly<Record<string, Build>> = { "debian-12": buildDebian, busybox: buildBusybox };

/**
 * The image of that name, built first if the machine does not have it: `busybox` takes a second, `debian-12` half a
 * minute and Debian's packages. It appears whole or not at all, and is built once however many processes ask.
 */
export async function ensureImage(options: ImageOptions): Promise<Image> {
  const { imagesDirectory, name } = options;
  refuseUnless(NAME.test(name), "BACKEND_FAILED", "that is no name of an image; choose one this node lists");
  await mkdir(imagesDirectory, { recursive: true, mode: 0o755 });
  const present = await findImage(imagesDirectory, name);
  if (present) return present;
  using _building = await lockFile(
    join(imagesDirectory, `.${name}.lock`),
    `the image ${name}`,
    BUILD_MILLISECONDS,
  );
  return (await findImage(imagesDirectory, name)) ?? (await buildImage(options));
}

/** The image of that name if the machine has it. */
export async function findImage(imagesDirectory: string, name: string): Promise<Image | undefined> {
  if (!NAME.test(name)) return undefined;
  const directory = join(imagesDirectory, name);
  const marker = await readIfPresent(join(directory, MARKER));
  return marker && { name, root: join(directory, "root") };
}

async function buildImage({ imagesDirectory, name, now }: ImageOptions): Promise<Image> {
  const build = BUILDS[name];
  if (!build) throw new Fault("BACKEND_FAILED", `there is no image ${name} here; choose one this node lists`);
  await removeUnfinished(imagesDirectory, name);
  const directory = await mkdtemp(join(imagesDirectory, `.${name}-`));
  const root = join(directory, "root");
  await mkdir(root, { mode: 0o755 });
  await build(root);
  await chmod(root, 0o755);
  await chmod(directory, 0o755);
  await writeFile(join(directory, MARKER), `${JSON.stringify({ name, made: formatInstant(now()) })}\n`);
  await rename(directory, join(imagesDirectory, name));
  return { name, root: join(imagesDirectory, name, "root") };
}

/** What builders left that were killed. Whoever calls this holds the lock: nobody else is building. */
async function removeUnfinished(imagesDirectory: string, name: string): Promise<void> {
  const unfinished = (await readdir(imagesDirectory)).filter((entry) =>
    /^\.[a-z].*-[A-Za-z0-9]{6}$/.test(entry),
  );
  for (const entry of unfinished) {
    if (entry.slice(1, -7) === name) await deleteTree(join(imagesDirectory, entry));
  }
}

/** Small things one wants in a sliver: to look at its network, its processes, and to fetch more over TLS. */
const DEBIAN_PACKAGES = ["ca-certificates", "iproute2", "iputils-ping", "netcat-openbsd", "procps"];
const NOT_NEEDED = ["/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/man/*"];
// Debian's ping has a file capability slivers lack, and then can't be started at all; without it, it needs none.
const PLAIN_PING = 'chroot "$1" sh -c "setcap -r /bin/ping; chmod 755 /bin/ping"';

async function buildDebian(root: string): Promise<void> {
  const exclusions = NOT_NEEDED.map((path) => `--dpkgopt=path-exclude=${path}`);
  const options = ["--mode=root", "--variant=minbase", `--include=${DEBIAN_PACKAGES}`, ...exclusions];
  await runProgram(
    "build the image debian-12 from Debian's packages (is its package mirror reachable?)",
    ["mmdebstrap", ...options, `--customize-hook=${PLAIN_PING}`, "bookworm", root, ...(await ownMirrors())],
    { patienceMilliseconds: BUILD_MILLISECONDS },
  );
}

/** Where this machine itself gets bookworm's packages, as lines of a sources list; none if it runs another release. */
async function ownMirrors(): Promise<string[]> {
  const format = "$(ORIGIN) $(COMPONENT) $(CODENAME) $(REPO_URI)";
  const argv = ["apt-get", "indextargets", "--format", format, "Created-By: Packages"] as const;
  const targets = (await runProgram("read the machine's package sources", argv)).trim().split("\n");
  const lines = targets.map((target) => /^Debian main (bookworm\S*) (\S+)$/.exec(target));
  return [
    ...new Set(lines.filter((line) => line !== null).map(([, suite, uri]) => `deb ${uri} ${suite} main`)),
  ];
}

async function buildBusybox(root: string): Promise<void> {
  const directories = [
    "bin",
    "dev",
    "etc",
    "home",
    "proc",
    "root",
    "run",
    "sys",
    "tmp",
    "usr",
    "var",
    "var/tmp",
  ];
  for (const directory of directories) await mkdir(join(root, directory));
  for (const open of ["tmp", "var/tmp"]) await chmod(join(root, open), 0o1777);
  await writeFile(
    join(root, "etc/passwd"),
    "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
  );
  await writeFile(join(root, "etc/group"), "root:x:0:\nnogroup:x:65534:\n");
  await copyFile("/bin/busybox", join(root, "bin/busybox"));
  // Run inside the new root, where only a static busybox can run.
  const applets = await runProgram("use busybox (is busybox-static installed?)", [
    "chroot",
    root,
    "/bin/busybox",
    "--list",
  ]);
  for (const applet of applets.trim().split("\n")) {
    if (applet !== "busybox") await symlink("busybox", join(root, "bin", applet));
  }
}
