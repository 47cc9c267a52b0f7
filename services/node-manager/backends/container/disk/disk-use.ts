import { runProgram } from "../../machine/program.ts";

const FRESH_MILLISECONDS = 30_000;

type Measurement = { readonly at: number; readonly bytes: Promise<number> };

/** What slivers' own disks hold, measured by walking them: at most once in 30 s each, since that takes a while. */
export class DiskUse {
  readonly #measured = new Map<string, Measurement>();
  readonly #clock: () => number;

  /** `clock` counts milliseconds and never goes back. */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
  }

  /** Bytes on the disk beneath `directory`, the disk of the sliver `id`. */
  of(id: string, directory: string): Promise<number> {
    const last = this.#measured.get(id);
    const at = this.#clock();
    if (last && at - last.at < FRESH_MILLISECONDS) return last.bytes;
    const bytes = measure(directory);
    this.#measured.set(id, { at, bytes });
    bytes.catch(() => this.forget(id));
    return bytes;
  }

  forget(id: string): void {
    this.#measured.delete(id);
  }
}

async function measure(directory: string): Promise<number> {
  const argv = ["du", "--summarize", "--block-size=1", "--one-file-system", "--", directory] as const;
  return Number((await runProgram("measure the sliver's disk", argv)).split("\t")[0]);
}
