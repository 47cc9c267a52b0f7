import { chmod, copyFile, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Programs } from "../machine/presence.ts";
import { runProgram } from "../machine/program.ts";
import { debianSources } from "./debian-sources.ts";

const BUILD_MILLISECONDS = 15 * 60_000;

/**
 * How an image is made. Another recipe has another version: its image is built beside the earlier one, over which
 * slivers that have it go on.
 */
export type Recipe = {
  readonly version: number;
  readonly build: (root: string) => Promise<void>;
  /** What whoever waits for it is told, and the programs it runs. */
  readonly takes: string;
  readonly programs: Programs;
};

export const RECIPES: Readonly<Record<string, Recipe>> = {
  "debian-12": {
    ...{ version: 2, build: buildDebian, programs: { mmdebstrap: "mmdebstrap" } },
    takes: "half a minute, and a mirror of Debian's packages",
  },
  busybox: {
    ...{ version: 1, build: buildBusybox, programs: { busybox: "busybox-static" } },
    takes: "a second",
  },
};

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
    [
      "mmdebstrap",
      ...options,
      `--customize-hook=${PLAIN_PING}`,
      "bookworm",
      root,
      ...(await debianSources()),
    ],
    { patienceMilliseconds: BUILD_MILLISECONDS },
  );
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
