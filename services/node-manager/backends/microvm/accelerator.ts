import { once } from "node:events";
import { access, constants, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { readIfPresent, writeDurably } from "#shared/runtime/durable-file.ts";
import { lockFile } from "#shared/runtime/lock-file.ts";
import { runProgram } from "../machine/program.ts";
import { type Kernel, microvmDirectory } from "./kernel.ts";
import { machineOptions, startQemu } from "./qemu.ts";

/** A machine that KVM runs is through in a third of a second. */
const TRIAL_MILLISECONDS = 5_000;
const TRIAL_MEMORY_MIB = 128;

/** What runs a microvm's processor, and what its kernel must be told about that. */
export type Accelerator = { readonly kind: "kvm" | "tcg"; readonly words: readonly string[] };

/**
 * KVM where it truly runs this kernel, software otherwise. There are machines whose KVM opens and then never gets
 * anywhere, so it is tried, once for each boot of the machine.
 */
export async function findAccelerator(imagesDirectory: string, kernel: Kernel): Promise<Accelerator> {
  const directory = microvmDirectory(imagesDirectory);
  const record = join(directory, "accelerator");
  const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  using _trying = await lockFile(join(directory, ".accelerator.lock"), "KVM", 2 * TRIAL_MILLISECONDS);
  const [known, knownBoot] = ((await readIfPresent(record)) ?? "").toString().split(" ");
  if (knownBoot === boot) return known === "kvm" ? KVM : emulation(kernel);
  const works = (await hasKvm()) && (await tryKvm(directory, kernel));
  await writeDurably(record, `${works ? KVM.kind : "tcg"} ${boot}`, 0o644);
  return works ? KVM : emulation(kernel);
}

/** How many processors a microvm may have. */
export function processorsFor(cpuMillis: number): number {
  return Math.min(availableParallelism(), Math.max(1, Math.ceil(cpuMillis / 1000)));
}

const KVM: Accelerator = { kind: "kvm", words: [] };

/**
 * An emulated processor counts time as the machine does. A kernel that measures how fast by an emulated clock measures
 * nothing at all when the machine is busy, and then stands still: so it is told.
 */
async function emulation(kernel: Kernel): Promise<Accelerator> {
  const kilohertz = (await runProgram("measure the machine's clock", [kernel.agent])).trim();
  return { kind: "tcg", words: [`tsc_early_khz=${kilohertz}`, "tsc=reliable"] };
}

async function hasKvm(): Promise<boolean> {
  try {
    await access("/dev/kvm", constants.R_OK | constants.W_OK);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === "access") return false;
    throw error;
  }
}

/** A machine that powers itself off at once, if it gets so far. */
async function tryKvm(directory: string, kernel: Kernel): Promise<boolean> {
  const scratch = await mkdtemp(join(directory, "trial-"));
  const initramfs = join(scratch, "initramfs");
  await writeFile(initramfs, kernel.initramfs);
  const options = machineOptions({
    ...{ name: "slicelab-trial", kernel: kernel.file, initramfs, accelerator: KVM },
    ...{ memoryMib: TRIAL_MEMORY_MIB, processors: 1, words: ["slicelab.trial"] },
  });
  const { process, heard } = startQemu(scratch, [], options);
  const late = setTimeout(() => process.kill("SIGKILL"), TRIAL_MILLISECONDS);
  const [code] = await once(process, "exit");
  clearTimeout(late);
  heard();
  await rm(scratch, { recursive: true });
  return code === 0;
}
