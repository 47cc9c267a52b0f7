import { writeFile } from "node:fs/promises";
import { runProgram } from "./program.ts";

/**
 * Makes the kernel forget every connection to and from the sliver that had that address: one that goes on would reach
 * whoever has the address next, and an abandoned one would be kept for days. `script`: a file for what conntrack is to
 * do; by its arguments alone it fails when there is no connection.
 */
export async function forgetConnections(address: string, script: string): Promise<void> {
  await writeFile(script, `-D --orig-src ${address}\n-D --reply-src ${address}\n`);
  await runProgram("forget the sliver's connections", ["conntrack", "--load-file", script]);
}
