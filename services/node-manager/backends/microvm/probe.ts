import type { Probe } from "../container/probe.ts";
import { lackOf, type Programs } from "../machine/presence.ts";
import { QEMU } from "./qemu.ts";

/** What the engine runs, and the Debian package that has it. The rest is on every Debian machine. */
const PROGRAMS: Programs = {
  [QEMU]: "qemu-system-x86",
  "mkfs.erofs": "erofs-utils",
  gcc: "gcc",
  busybox: "busybox-static",
};

/** Whether this machine has what microvms need; if not, what it lacks, as the end of a sentence. */
export async function probeMicrovms(): Promise<Probe> {
  if (process.arch !== "x64") return no("microvms are made for x86-64 processors only");
  if (process.getuid?.() !== 0) return no("microvms need root; run it as root");
  const lack = await lackOf(PROGRAMS);
  return lack === undefined ? { ok: true } : no(lack);
}

function no(reason: string): Probe {
  return { ok: false, reason };
}
