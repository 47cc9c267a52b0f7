import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import type { Probe } from "../container/probe.ts";
import { ENVIRONMENT } from "../machine/program.ts";
import { QEMU } from "./qemu.ts";

/** What the engine runs, and the Debian package that has it. The rest is on every Debian machine. */
const PROGRAMS: Readonly<Record<string, string>> = {
  [QEMU]: "qemu-system-x86",
  "mkfs.erofs": "erofs-utils",
  gcc: "gcc",
  busybox: "busybox-static",
};

/** Whether this machine has what microvms need; if not, what it lacks, as the end of a sentence. */
export async function probeMicrovms(): Promise<Probe> {
  if (process.arch !== "x64") return no("microvms are made for x86-64 processors only");
  if (process.getuid?.() !== 0) return no("microvms need root; run it as root");
  const missing: string[] = [];
  for (const [program, debianPackage] of Object.entries(PROGRAMS)) {
    if (!(await isInstalled(program))) missing.push(debianPackage);
  }
  if (missing.length === 0) return { ok: true };
  return no(`${missing.join(", ")} must be installed first; on Debian: apt-get install ${missing.join(" ")}`);
}

function no(reason: string): Probe {
  return { ok: false, reason };
}

async function isInstalled(program: string): Promise<boolean> {
  for (const directory of ENVIRONMENT.PATH.split(":")) {
    try {
      await access(join(directory, program), constants.X_OK);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).syscall !== "access") throw error;
    }
  }
  return false;
}
