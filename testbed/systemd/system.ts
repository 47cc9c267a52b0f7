import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { isThere as exists } from "#services/node-manager/backends/machine/presence.ts";
import { OperatorError } from "#shared/model/errors.ts";

/** Where the system is kept from trial to trial: making it takes a minute. */
const HOME = "/var/lib/slicelab/trial-systems";
/** What the operator's guide has somebody install on a hub and on a node. */
const PACKAGES = [
  ...["systemd", "systemd-sysv", "dbus", "postgresql", "redis-server", "ca-certificates", "procps"],
  ...[
    "runc",
    "catatonit",
    "mmdebstrap",
    "iproute2",
    "nftables",
    "conntrack",
    "btrfs-progs",
    "busybox-static",
  ],
];
const NOT_NEEDED = ["/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*"];
const SYSTEM_MIB = 2048;
const DISK = "6G";
const run = promisify(execFile);

/** The file with a Debian on an ext4, as it was installed, made if it is not there. */
export async function debianDisk(mirrors: readonly string[]): Promise<string> {
  const name = createHash("sha256").update(PACKAGES.join()).digest("hex").slice(0, 16);
  const disk = join(HOME, `${name}.ext4`);
  if (await exists(disk)) return disk;
  const place = await mkdtemp(join(tmpdir(), "slicelab-system-"));
  try {
    await mkdir(HOME, { recursive: true, mode: 0o755 });
    await make(place, `${disk}.unfinished`, mirrors);
    await rename(`${disk}.unfinished`, disk);
    return disk;
  } finally {
    await rm(place, { recursive: true });
  }
}

/** In a file system in memory, which goes with the process: dpkg waits for the disk often. */
async function make(place: string, disk: string, mirrors: readonly string[]): Promise<void> {
  const bootstrap = [
    ...["mmdebstrap", "--quiet", "--mode=root", "--variant=apt", `--include=${PACKAGES}`],
    ...NOT_NEEDED.map((path) => `--dpkgopt=path-exclude=${path}`),
    // Nobody has to look for a network, and nothing is to be fetched in a trial.
    '--customize-hook=systemctl --root="$1" mask apt-daily.timer apt-daily-upgrade.timer systemd-udevd.service',
    '--customize-hook=echo trial > "$1/etc/hostname"; echo 127.0.0.1 localhost trial > "$1/etc/hosts"',
    ...["bookworm", "system", ...mirrors],
  ];
  const script = `mount -t tmpfs -o size=${SYSTEM_MIB}m,mode=755 slicelab "$0" && cd "$0" && mkdir tmp &&
    TMPDIR="$0/tmp" "$@" && rm -f "$DISK" && truncate -s ${DISK} "$DISK" && mkfs.ext4 -q -F -d system "$DISK"`;
  const options = { env: { ...process.env, DISK: disk }, maxBuffer: 2 ** 26 };
  try {
    await run("unshare", ["--mount", "sh", "-c", script, place, ...bootstrap], options);
  } catch (error) {
    const { stderr } = error as { stderr: string };
    throw new OperatorError(`no system of Debian's packages could be made: ${stderr.trim().slice(-1000)}`);
  }
}
