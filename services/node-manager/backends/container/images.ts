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

/** What distinguishes an image from the ones made by earlier recipes under the same name. */
const DIRECTORY = /^[a-z][a-z0-9.-]{0,31}(@[1-9][0-9]{0,3})?$/;

/** A reference image: a root directory that every sliver of the machine shares and none can write to. */
export type Image = {
  readonly name: string;
  /** What a disk made over this image is made over for ever: the name and, from a later recipe, its version. */
  readonly id: string;
  readonly root: string;
};

export type ImageOptions = {
  /** Where the machine keeps its images; shared by all of its nodes. */
  readonly imagesDirectory: string;
  /** `debian-12`, `busybox`, or one that somebody put into the directory as `<name>/root` with a marker. */
  readonly name: string;
  /** The time written into the marker of an image that is built now. */
  readonly now: () => Instant;
};

/**
 * How an image is made. Another recipe has another version: its image is built beside the earlier one, over which
 * slivers that have it go on.
 */
type Recipe = { readonly version: number; readonly build: (root: string) => Promise<void> };
const RECIPES: Readonly<Record<string, Recipe>> = {
  "debian-12": { version: 2, build: buildDebian },
  busybox: { version: 1, build: buildBusybox },
};

/** The directory of the image that has this name now. The first recipe's images carry no version. */
function idOf(name: string): string {
  const version = RECIPES[name]?.version ?? 1;
  return version === 1 ? name : `${name}@${version}`;
}

/**
 * The image of that name, built first if the machine does not have it: `busybox` takes a second, `debian-12` half a
 * minute and Debian's packages. It appears whole or not at all, and is built once however many processes ask.
 */
export async function ensureImage(options: ImageOptions): Promise<Image> {
  const { imagesDirectory, name } = options;
  refuseUnless(NAME.test(name), "BACKEND_FAILED", "that is no name of an image; choose one this node lists");
  await mkdir(imagesDirectory, { recursive: true, mode: 0o755 });
  const id = idOf(name);
  const present = await findImage(imagesDirectory, id);
  if (present) return present;
  using _building = await lockFile(
    join(imagesDirectory, `.${id}.lock`),
    `the image ${name}`,
    BUILD_MILLISECONDS,
  );
  return (await findImage(imagesDirectory, id)) ?? (await buildImage(options));
}

/** The image with this id if the machine has it. */
export async function findImage(imagesDirectory: string, id: string): Promise<Image | undefined> {
  if (!DIRECTORY.test(id)) return undefined;
  const directory = join(imagesDirectory, id);
  const marker = await readIfPresent(join(directory, MARKER));
  return marker && { name: id.replace(/@.*/, ""), id, root: join(directory, "root") };
}

async function buildImage({ imagesDirectory, name, now }: ImageOptions): Promise<Image> {
  const recipe = RECIPES[name];
  if (!recipe)
    throw new Fault("BACKEND_FAILED", `there is no image ${name} here; choose one this node lists`);
  const { version, build } = recipe;
  const id = idOf(name);
  await removeUnfinished(imagesDirectory, id);
  const directory = await mkdtemp(join(imagesDirectory, `.${id}-`));
  const root = join(directory, "root");
  await mkdir(root, { mode: 0o755 });
  await build(root);
  await chmod(root, 0o755);
  await chmod(directory, 0o755);
  const marker = { name, version, made: formatInstant(now()) };
  await writeFile(join(directory, MARKER), `${JSON.stringify(marker)}\n`);
  await rename(directory, join(imagesDirectory, id));
  return { name, id, root: join(imagesDirectory, id, "root") };
}

/** What builders left that were killed. Whoever calls this holds the lock: nobody else is building. */
async function removeUnfinished(imagesDirectory: string, id: string): Promise<void> {
  const unfinished = (await readdir(imagesDirectory)).filter((entry) =>
    /^\.[a-z].*-[A-Za-z0-9]{6}$/.test(entry),
  );
  for (const entry of unfinished) {
    if (entry.slice(1, -7) === id) await deleteTree(join(imagesDirectory, entry));
  }
}

/** Small things one wants in a sliver. A change here takes another version of the recipe. */
const DEBIAN_PACKAGES = [
  ...["ca-certificates", "iproute2", "iputils-ping", "netcat-openbsd", "procps"], // its network, its processes, TLS
  ...["sudo", "less", "vim-tiny"], // work inside
  ...["openssh-client", "openssh-sftp-server", "rsync"], // files in and out: scp -O, sftp and scp, rsync
];
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
