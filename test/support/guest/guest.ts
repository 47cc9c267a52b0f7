import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFile, mkdir, readdir, rename, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { temporaryDirectory } from "#test/support/directory.ts";
import { PROJECT } from "#test/support/testbed.ts";
import { isThere } from "#testbed/packages.ts";

const INIT = new URL("init.sh", import.meta.url).pathname;
/** Where the guest's own system is kept from run to run: making it takes a minute. */
const HOME = "/var/lib/slicelab/test-guest";
const PACKAGES = [
  ...["linux-image-cloud-amd64", "initramfs-tools", "kmod"],
  ...["runc", "catatonit", "mmdebstrap", "iproute2", "nftables", "conntrack", "procps"],
  ...["busybox-static", "btrfs-progs"],
  ...["openssh-client", "openssh-sftp-server", "rsync", "skopeo", "umoci"],
];
const MEMORY_MIB = 4096;
const PATIENCE_MS = 30 * 60_000;
const run = promisify(execFile);

/** How tests ended in the guest: everything its console said, and the exit code of the test runner. */
export type GuestRun = { readonly console: string; readonly code: number | undefined };

/** Why there can be no guest here; false when there can. */
export async function withoutGuest(): Promise<string | false> {
  if (process.arch !== "x64") return "the guest is an x86-64 machine";
  if (process.getuid?.() !== 0) return "only root can make the guest's disk";
  const missing = ["qemu-system-x86_64", "mmdebstrap", "mksquashfs", "mke2fs"].find((name) => !isThere(name));
  return missing === undefined ? false : `${missing} must be installed first`;
}

/**
 * Runs test files of this project in a machine of their own: Debian's kernel under QEMU without hardware's help, with
 * cgroups of version 2 alone and no network. Slow: about ten times slower than here.
 */
export async function runInGuest(tests: readonly string[]): Promise<GuestRun> {
  await using directory = await temporaryDirectory();
  const system = await guestSystem();
  const root = join(directory.path, "root.ext4");
  await copyFile(INIT, join(system, "root/test-init"));
  await run("mke2fs", ["-q", "-t", "ext4", "-d", join(system, "root"), root, "3G"]);
  const project = join(directory.path, "project.squashfs");
  await run("mksquashfs", [PROJECT, project, "-quiet", "-no-progress", "-e", ".git"]);
  const node = relative(PROJECT, process.execPath);
  const now = Math.floor(Date.now() / 1000);
  const words = ["console=ttyS0", "root=/dev/vda", "rw", "quiet", "init=/test-init"];
  const disk = (file: string, ...options: string[]) => [
    "-drive",
    [`file=${file}`, "if=virtio,format=raw", ...options].join(),
  ];
  const guest = spawn(
    "qemu-system-x86_64",
    [
      ...[
        "-machine",
        "q35",
        "-cpu",
        "max",
        "-smp",
        "2",
        "-m",
        String(MEMORY_MIB),
        "-accel",
        "tcg,thread=multi",
      ],
      ...["-nographic", "-no-reboot", "-nic", "none"],
      ...["-kernel", join(system, "vmlinuz"), "-initrd", join(system, "initrd.img")],
      ...["-append", [...words, `now=${now}`, `node=${node}`, `tests=${tests.join()}`].join(" ")],
      ...disk(root),
      ...disk(project, "readonly=on"),
    ],
    { stdio: ["ignore", "pipe", "inherit"], timeout: PATIENCE_MS, killSignal: "SIGKILL" },
  );
  const said = (await text(guest.stdout)).replaceAll("\r", "");
  const code = /^GUEST ENDED (\d+)$/m.exec(said)?.[1];
  return { console: said, code: code === undefined ? undefined : Number(code) };
}

/** The directory of the guest's kernel and root directory, made if they are not there. */
async function guestSystem(): Promise<string> {
  const name = createHash("sha256").update(PACKAGES.join()).digest("hex").slice(0, 16);
  const [finished, making] = [join(HOME, name), join(HOME, "making")];
  await mkdir(HOME, { recursive: true });
  if ((await readdir(HOME)).includes(name)) return finished;
  await rm(making, { recursive: true, force: true });
  const root = join(making, "root");
  const options = ["--mode=root", "--variant=minbase", `--include=${PACKAGES}`];
  await mkdir(making);
  await run("mmdebstrap", [...options, "bookworm", root], { maxBuffer: 2 ** 26 });
  const boot = await readdir(join(root, "boot"));
  for (const name of ["vmlinuz", "initrd.img"]) {
    const file = boot.find((candidate) => candidate.startsWith(name))!;
    await copyFile(join(root, "boot", file), join(making, name));
  }
  await rename(making, finished);
  return finished;
}
