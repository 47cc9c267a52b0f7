import { writeFile } from "node:fs/promises";
import { readIfPresent } from "#shared/runtime/durable-file.ts";
import { runProgram } from "../machine/program.ts";

/** How many connections the kernel keeps in this network namespace. */
const COUNT = "/proc/sys/net/netfilter/nf_conntrack_count";

/**
 * Makes the kernel forget every connection to and from the sliver that had that address: one that goes on would reach
 * whoever has the address next, and an abandoned one would be kept for days. `script`: a file for what conntrack is to
 * do; by its arguments alone it fails when there is no connection.
 */
export async function forgetConnections(address: string, script: string): Promise<void> {
  if (Number(await readIfPresent(COUNT)) === 0) return;
  await writeFile(script, `-D --orig-src ${address}\n-D --reply-src ${address}\n`);
  await runProgram("forget the sliver's connections", ["conntrack", "--load-file", script]);
}
