/**
 * What root inside a sliver may not do. Its own root file system, process table, network and name keep it apart from
 * the machine; this keeps it from changing the kernel that it shares with everybody.
 */

/** The capabilities root keeps inside a sliver, each with the reason why it is left to it. All others are dropped. */
const CAPABILITY_REASONS = {
  CAP_CHOWN: "installing packages gives files to their owners",
  CAP_DAC_OVERRIDE: "root reads and writes its own disk whatever the modes say",
  CAP_FOWNER: "root changes modes and times of other users' files on its own disk",
  CAP_FSETID: "packages install set-group-id programs",
  CAP_KILL: "root ends its other users' processes; others are not in its process table",
  CAP_SETGID: "su, daemons and package tools change to another group",
  CAP_SETUID: "su, daemons and package tools change to another user",
  CAP_SETPCAP: "a daemon may drop even more of these",
  CAP_NET_BIND_SERVICE: "ports below 1024 of the sliver's own addresses",
  CAP_SYS_CHROOT: "daemons shut themselves into an empty directory",
  CAP_AUDIT_WRITE: "su and login fail for root where the kernel audits and they may not say so",
} as const;

/**
 * What root keeps besides where the sliver has users of its own: there the kernel grants these over the sliver's own
 * processes alone, and asks for the machine's before anything beyond.
 */
const OWN_USERS_REASONS = {
  CAP_SYS_PTRACE: "root looks into its other users' programs: strace, gdb, lsof, ss -p",
  CAP_SYS_NICE:
    "root slows its other users' programs down, or binds them to a processor; it can't speed them up",
} as const;

/*
 * Not given with users of its own either, though harmless then: CAP_NET_ADMIN (the sliver's link carries its limits),
 * CAP_NET_RAW (a privilege of its own, paper §3.3), CAP_SYS_ADMIN (most of the kernel's mistakes lie behind it),
 * CAP_SETFCAP (packages would mark programs with capabilities that slivers lack, which then do not start; without it
 * they fall back to what works, as ping does).
 */

export const CAPABILITIES: readonly string[] = Object.keys(CAPABILITY_REASONS);
export const OWN_USERS_CAPABILITIES: readonly string[] = Object.keys(OWN_USERS_REASONS);

/** The system calls that mount. */
export const MOUNT_CALLS = [
  "mount",
  "umount",
  "umount2",
  "move_mount",
  "open_tree",
  "fsopen",
  "fsconfig",
  "fsmount",
  "fspick",
];

type Denial = { readonly names: readonly string[]; readonly because: string };

/** System calls that fail with EPERM for everybody in a sliver, capabilities or not. */
const DENIALS: readonly Denial[] = [
  {
    names: MOUNT_CALLS,
    because: "mounting is how the sliver's disk is kept apart",
  },
  { names: ["mount_setattr", "open_tree_attr", "pivot_root", "swapon", "swapoff"], because: "as mounting" },
  { names: ["quotactl", "quotactl_fd", "acct"], because: "accounting is the node's" },
  { names: ["setns"], because: "nobody enters another sliver's namespaces" },
  { names: ["init_module", "finit_module", "delete_module"], because: "modules change the shared kernel" },
  { names: ["kexec_load", "kexec_file_load", "reboot"], because: "they end the machine" },
  {
    names: ["settimeofday", "clock_settime", "clock_settime64", "stime"],
    because: "the clock is everybody's",
  },
  { names: ["clock_adjtime", "clock_adjtime64"], because: "the clock is everybody's" },
  { names: ["iopl", "ioperm", "modify_ldt", "vm86", "vm86old"], because: "they reach the hardware" },
  { names: ["bpf", "perf_event_open", "lookup_dcookie"], because: "they observe the whole kernel" },
  { names: ["syslog", "kcmp"], because: "the kernel's log and tables tell of other slivers" },
  { names: ["add_key", "request_key", "keyctl"], because: "key rings are not kept apart by namespaces" },
  { names: ["open_by_handle_at"], because: "a file handle opens files outside the sliver's disk" },
  {
    names: [
      "userfaultfd",
      "io_uring_setup",
      "io_uring_enter",
      "io_uring_register",
      "fanotify_init",
      "uselib",
    ],
    because: "large kernel interfaces that slivers do without and break-ins were made of",
  },
  {
    names: ["mbind", "set_mempolicy", "migrate_pages", "move_pages"],
    because: "memory placement is the node's",
  },
];

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, NEWTIME (linux/sched.h). */
const NAMESPACE_FLAGS = [
  0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000, 0x00000080,
];
// CLONE_NEWTIME lies in the bits where clone(2) carries a signal number; only unshare(2) takes it.
const CLONE_FLAGS = NAMESPACE_FLAGS.filter((flag) => flag > 0xff);
const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;
/** AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET (linux/socket.h). */
const SOCKET_FAMILIES = [0, 1, 2, 10, 16, 17];
const LAST_FAMILY = Math.max(...SOCKET_FAMILIES);
const RARE_FAMILIES = Array.from({ length: LAST_FAMILY }, (_, n) => n).filter(
  (n) => !SOCKET_FAMILIES.includes(n),
);

const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: "SCMP_ARCH_X86_64",
  arm64: "SCMP_ARCH_AARCH64",
};

/**
 * The system call filter, in the form of the OCI runtime specification. Namespaces are refused because a new user
 * namespace would give back every capability in it; clone3 is said not to exist, since a filter can't see its flags
 * and programs then fall back to clone. Sockets are those of the network, of the sliver and of the kernel's answers: a
 * socket of a rare family makes the kernel load its module, and vsock reaches the hypervisor past every network rule.
 * The families are compared as 64 bits of which the kernel takes 32: what is greater is refused whole. Calls of other
 * architectures (32-bit ones) end their process: they would pass the filter under other numbers.
 *
 * `opened`: calls that are left to the capabilities of an administrative sliver.
 */
export function systemCallFilter(
  architecture: string = process.arch,
  opened: ReadonlySet<string> = new Set(),
): object {
  const refuse = (names: readonly string[], errnoRet: number, args: object[] = []) => {
    return { names, action: "SCMP_ACT_ERRNO", errnoRet, args };
  };
  const refuseSocket = (value: number, op: string) =>
    refuse(["socket", "socketpair"], EAFNOSUPPORT, [{ index: 0, value, op }]);
  const hasFlag = (flag: number) => [{ index: 0, value: flag, valueTwo: flag, op: "SCMP_CMP_MASKED_EQ" }];
  return {
    defaultAction: "SCMP_ACT_ALLOW",
    architectures: [ARCHITECTURES[architecture]].filter((name) => name !== undefined),
    syscalls: [
      ...DENIALS.map(({ names }) => names.filter((name) => !opened.has(name)))
        .filter((names) => names.length > 0)
        .map((names) => refuse(names, EPERM)),
      ...CLONE_FLAGS.map((flag) => refuse(["clone"], EPERM, hasFlag(flag))),
      ...NAMESPACE_FLAGS.map((flag) => refuse(["unshare"], EPERM, hasFlag(flag))),
      refuse(["clone3"], ENOSYS),
      ...RARE_FAMILIES.map((family) => refuseSocket(family, "SCMP_CMP_EQ")),
      refuseSocket(LAST_FAMILY, "SCMP_CMP_GT"),
    ],
  };
}

/** Files that tell of the machine or of other slivers: an empty file or directory lies over them. */
export const MASKED_PATHS: readonly string[] = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/kallsyms",
  "/proc/kcore",
  "/proc/keys",
  "/proc/kmsg",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/sys/dev/block",
  "/sys/devices/virtual/powercap",
  "/sys/firmware",
  "/sys/kernel/debug",
  "/sys/kernel/security",
];

/** Switches of the whole kernel: they may be read. */
export const READ_ONLY_PATHS: readonly string[] = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];
