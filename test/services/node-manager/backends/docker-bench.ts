import { join } from "node:path";
import type { Backend } from "#services/node-manager/backends/backend.ts";
import { type DockerOptions, dockerBackend } from "#services/node-manager/backends/docker/engine.ts";
import type { BackendBench } from "#test/contract/backend.ts";
import { temporaryDirectory } from "#test/support/directory.ts";
import type { DockerDaemon } from "#test/support/docker-daemon.ts";

export type DockerBench = BackendBench & {
  open(node: string, change?: Partial<DockerOptions>): Promise<Backend>;
};

/** A scratch place for docker backends over a busybox image; removes all their slivers at the end. */
export async function dockerBench({ socket, address }: DockerDaemon): Promise<DockerBench> {
  const directory = await temporaryDirectory();
  const opened = new Map<string, Backend>();

  async function open(node: string, change: Partial<DockerOptions> = {}): Promise<Backend> {
    const [stateDirectory, imagesDirectory] = [join(directory.path, "state"), join(directory.path, "images")];
    const images = ["busybox"] as const;
    const options = {
      node,
      stateDirectory,
      imagesDirectory,
      images,
      socket,
      address,
      now: () => 1_900_000_000,
    };
    const backend = await dockerBackend({ ...options, ...change });
    opened.set(node, backend);
    return backend;
  }

  return {
    open,
    async [Symbol.asyncDispose]() {
      for (const backend of opened.values())
        for (const { id } of await backend.list()) await backend.remove(id);
      await directory[Symbol.asyncDispose]();
    },
  };
}
