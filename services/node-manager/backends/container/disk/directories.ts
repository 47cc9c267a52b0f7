import { mkdir } from "node:fs/promises";
import { deleteTree } from "../../machine/mounts.ts";
import type { SliverPlaces } from "../places.ts";
import { DiskUse } from "./disk-use.ts";
import type { Storage } from "./storage.ts";

/** Disks as directories beside what else the node keeps of a sliver: they end where the node's own disk does. */
export class Directories implements Storage {
  readonly bounds = false;
  readonly notes: readonly string[];
  readonly #use = new DiskUse();

  constructor(notes: readonly string[] = []) {
    this.notes = notes;
  }

  async placesOf(sliver: SliverPlaces): Promise<SliverPlaces> {
    return sliver;
  }

  async make({ upper, work }: SliverPlaces): Promise<void> {
    for (const directory of [upper, work]) await mkdir(directory, { recursive: true, mode: 0o755 });
  }

  async bound(): Promise<void> {
    // What cannot be had was said when the node was opened.
  }

  used({ id, upper }: SliverPlaces): Promise<number> {
    return this.#use.of(id, upper);
  }

  async remove({ id, upper, work }: SliverPlaces): Promise<void> {
    for (const directory of [upper, work]) await deleteTree(directory);
    this.#use.forget(id);
  }

  async names(): Promise<string[]> {
    return [];
  }

  async close(): Promise<void> {
    // Nothing is held.
  }
}
