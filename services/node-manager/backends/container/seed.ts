import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readIfPresent } from "#shared/runtime/durable-file.ts";

/** Where a machine's resolver really is when /etc/resolv.conf names only a helper on its own loopback. */
const RESOLVERS = ["/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"];

/**
 * Writes what the node tells a sliver about itself, as a layer under the sliver's own disk: the sliver may change these
 * files and keeps its changes, the node may refresh the rest at every start, and neither ever writes into the other's.
 */
export async function seed(directory: string, slice: string): Promise<void> {
  const etc = join(directory, "etc");
  await mkdir(etc, { recursive: true, mode: 0o755 });
  const files = {
    hostname: `${slice}\n`,
    hosts: `127.0.0.1 localhost\n127.0.1.1 ${slice}\n::1 localhost ip6-localhost ip6-loopback\n`,
    "resolv.conf": await resolver(),
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(etc, name), text, { mode: 0o644 });
}

/** The machine's name servers that a sliver, in a network of its own, can reach too. */
async function resolver(): Promise<string> {
  for (const path of RESOLVERS) {
    const lines = ((await readIfPresent(path)) ?? "").toString().split("\n");
    const reachable = lines.filter((line) => !/^\s*nameserver\s+(127\.|::1\s*$)/.test(line));
    if (reachable.some((line) => line.trimStart().startsWith("nameserver")))
      return `${reachable.join("\n").trim()}\n`;
  }
  return "";
}
