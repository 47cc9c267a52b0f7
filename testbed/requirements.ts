/** What a machine may be set up for. Running the services themselves takes nothing but Node. */
export type Purpose = "demo" | "tests";

/** A Debian package of which the testbed or the tests use a program or file, and what is lost without it. */
export type Requirement = {
  readonly package: string;
  /** The package is there if this is: a program found on the PATH, or the path of a file (`*` is one directory). */
  readonly provides: string;
  readonly purposes: readonly Purpose[];
  readonly without: string;
};

const DEMO: readonly Purpose[] = ["demo", "tests"];
const TESTS: readonly Purpose[] = ["tests"];

/** In the order in which a person would want to read it. */
export const REQUIREMENTS: readonly Requirement[] = [
  { package: "runc", provides: "runc", purposes: DEMO, without: "slivers are simulated" },
  { package: "catatonit", provides: "catatonit", purposes: DEMO, without: "slivers have no first process" },
  { package: "mmdebstrap", provides: "mmdebstrap", purposes: DEMO, without: "no reference image is made" },
  { package: "iproute2", provides: "ip", purposes: DEMO, without: "container nodes get no network" },
  { package: "nftables", provides: "nft", purposes: DEMO, without: "container nodes get no packet filter" },
  {
    package: "conntrack",
    provides: "conntrack",
    purposes: DEMO,
    without: "container nodes keep ended connections",
  },
  {
    package: "btrfs-progs",
    provides: "mkfs.btrfs",
    purposes: DEMO,
    without: "disks of container slivers have no bound",
  },
  {
    package: "openssh-client",
    provides: "ssh",
    purposes: DEMO,
    without: "no ssh into slivers by hand or in tests",
  },
  {
    package: "busybox-static",
    provides: "busybox",
    purposes: DEMO,
    without: "no small image to try the container engine with",
  },
  {
    package: "skopeo",
    provides: "skopeo",
    purposes: DEMO,
    without: "no OCI image becomes a reference image",
  },
  { package: "umoci", provides: "umoci", purposes: DEMO, without: "no OCI image becomes a reference image" },
  { package: "xz-utils", provides: "xz", purposes: DEMO, without: "no tar packed by xz becomes an image" },
  {
    package: "libcap2-bin",
    provides: "setcap",
    purposes: TESTS,
    without: "no image with file capabilities in tests",
  },
  { package: "docker.io", provides: "dockerd", purposes: TESTS, without: "the docker engine is not tried" },
  {
    package: "docker-compose",
    provides: "docker-compose",
    purposes: TESTS,
    without: "docker-compose.yml is not tried",
  },
  {
    package: "openssh-sftp-server",
    provides: "/usr/lib/openssh/sftp-server",
    purposes: TESTS,
    without: "no scp into simulated slivers in tests",
  },
  { package: "iperf3", provides: "iperf3", purposes: TESTS, without: "no traffic to measure in tests" },
  { package: "iputils-ping", provides: "ping", purposes: TESTS, without: "no floods of pings in tests" },
  { package: "iptables", provides: "iptables", purposes: TESTS, without: "no other firewall in tests" },
  { package: "rsync", provides: "rsync", purposes: TESTS, without: "no rsync into slivers in tests" },
  {
    package: "ganglia-monitor",
    provides: "gmond",
    purposes: TESTS,
    without: "no exchange with a real gmond in tests",
  },
  { package: "gmetad", provides: "gmetad", purposes: TESTS, without: "no real gmetad in tests" },
  {
    package: "redis-server",
    provides: "redis-server",
    purposes: TESTS,
    without: "no queue on a Redis in tests",
  },
  {
    package: "systemd",
    provides: "systemd-analyze",
    purposes: TESTS,
    without: "systemd's units are not checked in tests",
  },
  {
    package: "mandoc",
    provides: "mandoc",
    purposes: TESTS,
    without: "manual pages are not checked in tests",
  },
  { package: "zsh", provides: "zsh", purposes: TESTS, without: "completion in zsh is not tried in tests" },
  { package: "fish", provides: "fish", purposes: TESTS, without: "completion in fish is not tried in tests" },
  { package: "chromium", provides: "chromium", purposes: TESTS, without: "no pages are looked at in tests" },
  { package: "python3", provides: "python3", purposes: TESTS, without: "no outside XML-RPC client in tests" },
  { package: "openssl", provides: "openssl", purposes: TESTS, without: "no outside certificates in tests" },
  {
    package: "strace",
    provides: "strace",
    purposes: TESTS,
    without: "no injected input/output faults in tests",
  },
  {
    package: "libfaketime",
    provides: "/usr/lib/*/faketime/libfaketime.so.1",
    purposes: TESTS,
    without: "no clock steps in tests",
  },
  {
    package: "qemu-system-x86",
    provides: "qemu-system-x86_64",
    purposes: TESTS,
    without: "no microvms",
  },
  { package: "erofs-utils", provides: "mkfs.erofs", purposes: TESTS, without: "no disks for microvms" },
  { package: "gcc", provides: "gcc", purposes: TESTS, without: "no agent for microvms" },
  { package: "libc6-dev", provides: "/usr/lib/*/libc.a", purposes: TESTS, without: "no agent for microvms" },
];
