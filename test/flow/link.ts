import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { TestbedProcess } from "#test/support/testbed.ts";
import { layoutOf } from "#testbed/layout.ts";
import { linkOf } from "#testbed/network.ts";

const run = promisify(execFile);

/** Takes down a node's end of its link: nobody reaches it any more, nor does it reach anybody. */
export async function cutLink(lab: TestbedProcess, node: number): Promise<void> {
  await run("ip", ["link", "set", nameOf(lab, node), "down"]);
}

export async function restoreLink(lab: TestbedProcess, node: number): Promise<void> {
  await run("ip", ["link", "set", nameOf(lab, node), "up"]);
}

function nameOf({ home }: TestbedProcess, node: number): string {
  return linkOf(layoutOf(home).mark, node + 1);
}
