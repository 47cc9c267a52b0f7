import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { announcementOf } from "#shared/runtime/lifecycle.ts";
import { writePacket } from "#shared/wire/ganglia/packet.ts";
import { eventually } from "#test/support/deadline.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import { runToSuccess } from "#test/support/program.ts";
import { isThere } from "#testbed/packages.ts";
import { told } from "./monitor-lab.ts";

const MAIN = fileURLToPath(new URL("../../../services/resource-monitor/main.ts", import.meta.url));
const MARK = `slm${process.pid.toString(36)}`;
const [HOME, STREET] = [`${MARK}h`, `${MARK}s`];
const NODE = "10.213.7.1";
const MAC = "02:00:00:00:00:01";
const STRANGER = "10.213.7.2";
const withoutNamespaces =
  (process.getuid?.() !== 0 && "only root makes network namespaces") ||
  (["ip", "python3", "nsenter"].find((program) => !isThere(program)) && "a program is missing");

/** Sends each of the payloads on its standard input from the address before it, whoever has that, as a whole frame. */
const FORGER = `
import socket, struct, sys
device, mac, to = sys.argv[1], bytes.fromhex(sys.argv[2].replace(":", "")), sys.argv[3]
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind((device, 0))
own = s.getsockname()[4]
def checksum(header):
    total = sum(struct.unpack("!10H", header))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
for line in sys.stdin:
    source, port, payload = line.split()
    payload = bytes.fromhex(payload)
    udp = struct.pack("!4H", 8649, int(port), 8 + len(payload), 0) + payload
    def header(sum):
        return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, sum,
                           socket.inet_aton(source), socket.inet_aton(to))
    s.send(mac + own + b"\\x08\\x00" + header(checksum(header(0))) + udp)
`;

/** A node in a namespace of its own, with a stranger on its only link. */
async function street(): Promise<AsyncDisposable> {
  const dismantle = async () => {
    for (const space of [HOME, STREET]) await runToSuccess("ip", ["netns", "delete", space]);
  };
  const script = `netns add ${HOME}\nnetns add ${STREET}
link add ${MARK} address ${MAC} netns ${HOME} type veth peer name ${MARK} netns ${STREET}\n`;
  await runToSuccess("ip", ["-batch", "-"], { input: script });
  for (const [space, address] of [
    [HOME, NODE],
    [STREET, STRANGER],
  ] as const) {
    const input = `address add ${address}/24 dev ${MARK}\nlink set lo up\nlink set ${MARK} up\n`;
    await runToSuccess("ip", ["-netns", space, "-batch", "-"], { input });
  }
  return { [Symbol.asyncDispose]: dismantle };
}

function inside(space: string, ...words: readonly string[]): [string, string[]] {
  return ["nsenter", [`--net=/run/netns/${space}`, "--", ...words]];
}

test("what comes from outside cannot speak for the node, by its own address or the loopback's either", {
  skip: withoutNamespaces,
}, async () => {
  await using directory = await temporaryDirectory();
  await using _street = await street();
  const config = join(directory.path, "monitor.toml");
  await writeFile(config, `[node]\nname = "own"\nip = "${NODE}"\n[listen]\naddress = "0.0.0.0"\n`);
  await using monitor = await started(config);
  const { web, udp } = monitor;
  const page = () => runToSuccess(...inside(HOME, process.execPath, "-e", fetching(web)));
  const count = async (line: string) =>
    Number(new RegExp(`^${line} (\\d+)$`, "m").exec(await page())?.[1] ?? 0);

  const forge = (...packets: readonly (readonly [from: string, about: string])[]) => {
    const lines = packets.flatMap(([from, about]) =>
      told(about, "slice_victim_cpu", "99", true).map(
        (packet) => `${from} ${udp} ${writePacket(packet).toString("hex")}`,
      ),
    );
    const forger = inside(STREET, "python3", "-c", FORGER, MARK, MAC, NODE);
    return runToSuccess(...forger, { input: `${lines.join("\n")}\n` });
  };
  const own = `${NODE}:own`;
  await forge([STRANGER, own], [NODE, own], ["127.0.0.1", own], [STRANGER, `${STRANGER}:other`]);
  await eventually(async () => (await count("slicelab_monitor_packets_taken_total")) === 2);
  assert.equal(await count('slicelab_monitor_packets_dropped_total{reason="own_name"}'), 2);
  assert.equal(await count('slicelab_slice_cpu_percent{slice="victim"}'), 0);

  // That they were forged well, and it was the kernel that dropped them, shows where it is told not to.
  await runToSuccess(...inside(HOME, "sh", "-c", LAX));
  await forge([NODE, own]);
  await eventually(async () => (await count('slicelab_slice_cpu_percent{slice="victim"}')) === 99);
});

const LAX = `for f in /proc/sys/net/ipv4/conf/*/; do echo 1 > $f/accept_local; echo 0 > $f/rp_filter; done`;

function fetching(web: string): string {
  const url = web.replace("0.0.0.0", "127.0.0.1");
  return `fetch("${url}").then((r) => r.text()).then((t) => process.stdout.write(t))`;
}

async function started(config: string): Promise<AsyncDisposable & { web: string; udp: string }> {
  const [program, words] = inside(HOME, process.execPath, MAIN, "serve", "--config", config);
  const child: ChildProcess = spawn(program, words, { stdio: ["ignore", "pipe", "ignore"] });
  const ended = once(child, "exit");
  const { web, udp } = await announcementOf(child);
  return {
    ...{ web: String(web), udp: String(udp) },
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
