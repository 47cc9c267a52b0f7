import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "smol-toml";
import { runOwner } from "#services/node-manager/owner/owner-commands.ts";
import type { NodeLab } from "./node-lab.ts";

/** What `slicelab node` does and says at a lab's node, whether a node manager serves there or not. */
export async function owner(lab: NodeLab, ...argv: string[]) {
  const { ip, state, identity, capacity } = lab.config;
  const file = join(state, "owner-test.toml");
  const shares = { cpu_millis: capacity.cpuMillis, memory_mib: capacity.memoryMib };
  const rest = { disk_mib: capacity.diskMib, egress_kbps: capacity.egressKbps, slivers: capacity.slivers };
  await writeFile(
    file,
    stringify({
      ...{ ip, state, engines: ["simulated"], capacity: { ...shares, ...rest } },
      identity: { key: identity.key, certificate: identity.cert, authority: identity.ca },
    }),
  );
  const [out, err]: [string[], string[]] = [[], []];
  const terminal = { out: (t: string) => out.push(t), err: (t: string) => err.push(t) };
  const whole = { ...terminal, env: {}, clock: lab.clock };
  const code = await runOwner([...argv, "--config", file], whole);
  return { code, out: out.join(""), err: err.join("") };
}

/** The same, where it is to succeed: what it prints. */
export async function does(lab: NodeLab, ...argv: string[]): Promise<string> {
  const { code, out, err } = await owner(lab, ...argv);
  assert.equal(code, 0, err);
  return out;
}
