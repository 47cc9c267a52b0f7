import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Backend } from "#services/node-manager/backends/backend.ts";
import { type MicrovmOptions, microvmBackend } from "#services/node-manager/backends/microvm/engine.ts";
import { probeMicrovms } from "#services/node-manager/backends/microvm/probe.ts";
import { IMAGES_DIRECTORY } from "#services/node-manager/backends/open.ts";
import type { BackendBench } from "#test/contract/backend.ts";

export type MicrovmBench = BackendBench & {
  readonly stateDirectory: string;
  open(node: string, change?: Partial<MicrovmOptions>): Promise<Backend>;
};

/** Why there are no microvms here; false where there are. */
export async function withoutMicrovms(): Promise<string | false> {
  const probe = await probeMicrovms();
  return !probe.ok && probe.reason;
}

/**
 * A scratch place for microvms over a busybox image; removes all of them at the end. The kernel is the machine's own,
 * since it takes a while to fetch.
 */
export async function microvmBench(): Promise<MicrovmBench> {
  const stateDirectory = await mkdtemp(join(tmpdir(), "slicelab-microvm-"));
  const opened = new Map<string, Backend>();

  async function open(node: string, change: Partial<MicrovmOptions> = {}): Promise<Backend> {
    const now = () => 1_900_000_000;
    const places = { stateDirectory, imagesDirectory: IMAGES_DIRECTORY };
    const backend = await microvmBackend({ node, ...places, images: ["busybox"], now, ...change });
    opened.set(node, backend);
    return backend;
  }

  return {
    stateDirectory,
    open,
    async [Symbol.asyncDispose]() {
      for (const backend of opened.values()) {
        for (const { id } of await backend.list()) await backend.remove(id);
      }
      await rm(stateDirectory, { recursive: true });
    },
  };
}

/** The processes that are microvms of a node. */
export async function machinesOf(node: string): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const commands = await Promise.all(
    pids.map(async (pid) => {
      const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""); // it may end meanwhile
      return command.startsWith("qemu-system") && command.includes(`slicelab-${node}-`);
    }),
  );
  return pids.filter((_, index) => commands[index]);
}
