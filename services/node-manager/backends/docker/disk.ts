import { randomBytes } from "node:crypto";
import { Fault } from "#shared/model/errors.ts";
import type { SliverId } from "../backend.ts";
import type { Containers } from "./containers.ts";
import { type Daemon, refusedWith } from "./daemon.ts";

const FRESH_MILLISECONDS = 30_000;

/**
 * Whether the daemon can hold a container's disk to a size, found out by making one that is never started: some storage
 * drivers can, on some file systems, with some mount options.
 */
export async function boundsDisks(daemon: Daemon, node: string, image: string): Promise<boolean> {
  const name = `slicelab-${node}-probe-${randomBytes(4).toString("hex")}`;
  const purpose = "try a bounded disk";
  const body = { Image: image, Entrypoint: ["/"], HostConfig: { StorageOpt: { size: "64M" } } };
  try {
    await daemon.tell({ purpose, method: "POST", path: "/containers/create", query: { name }, body });
    return true;
  } catch (error) {
    if (refusedWith(error) === undefined) throw error;
    return false;
  } finally {
    const query = { force: "1", v: "1" };
    await daemon.tell({ purpose, method: "DELETE", path: `/containers/${name}`, query }, [404]);
  }
}

/** What slivers' own disks hold, as the daemon finds by walking them: at most once in 30 s each. */
export class DiskSizes {
  readonly #containers: Containers;
  readonly #measured = new Map<SliverId, { readonly at: number; readonly bytes: Promise<number> }>();

  constructor(containers: Containers) {
    this.#containers = containers;
  }

  of(id: SliverId): Promise<number> {
    const last = this.#measured.get(id);
    const at = performance.now();
    if (last && at - last.at < FRESH_MILLISECONDS) return last.bytes;
    const bytes = this.#measure(id);
    this.#measured.set(id, { at, bytes });
    bytes.catch(() => this.forget(id));
    return bytes;
  }

  forget(id: SliverId): void {
    this.#measured.delete(id);
  }

  async #measure(id: SliverId): Promise<number> {
    const facts = await this.#containers.facts(id, { size: "1" });
    if (!facts) throw new Fault("NO_SLICE", `there is no sliver ${id} on this node; ensure it first`);
    return facts.SizeRw ?? 0;
  }
}
