import assert from "node:assert/strict";
import { openNetwork } from "#services/service-manager/service.ts";
import { Interrupted } from "#services/service-manager/terminal/exit-code.ts";
import type { Happening } from "#services/service-manager/watching/happenings.ts";
import { watchSlice } from "#services/service-manager/watching/watch.ts";
import { within } from "#test/support/deadline.ts";
import { isRunning } from "../exactness.ts";
import type { SliceLab } from "../slice-lab.ts";

/** A watch whose looks are called for one by one, with as much time passing between them as a test wants. */
export type Watching = AsyncDisposable & {
  /** Lets `seconds` pass, by default as long as the watch pauses, and gives back what was told at the look after. */
  look(seconds?: number): Promise<Happening[]>;
  /** Everything that was told as something that went wrong here. */
  readonly warnings: readonly string[];
};

export type WatchingOptions = { readonly every?: number; readonly repair?: boolean };

/** Begins to watch a slice of alice's; resolves after the first look, whose happenings are the first that `look` gives. */
export async function watching(
  lab: SliceLab,
  name: string,
  { every = 30, repair = true }: WatchingOptions = {},
): Promise<Watching> {
  const interruption = new AbortController();
  const effort = { signal: interruption.signal, deadlineMs: 30_000, progress: () => undefined };
  const warnings: string[] = [];
  let told: Happening[] = [];
  let rested = Promise.withResolvers<void>();
  let next = Promise.withResolvers<void>();
  const ended = watchSlice({
    ...{ home: lab.home, name, every, repair, clock: lab.clock, effort },
    openNetwork: () => openNetwork(lab.home, effort, { clock: lab.clock, beside: () => undefined }),
    async pause() {
      rested.resolve();
      await next.promise;
      effort.signal.throwIfAborted();
    },
    async tell(happening) {
      told.push(happening);
    },
    warn: (sentence) => void warnings.push(sentence),
    async changed() {},
  });
  ended.catch((error) => rested.reject(error));
  await within(rested.promise, { what: "the first look" });
  return {
    warnings,
    async look(seconds = every) {
      lab.clock.advance(seconds);
      await hearAll(lab);
      [rested, told] = [Promise.withResolvers(), [...told]];
      const going = next;
      next = Promise.withResolvers();
      going.resolve();
      await within(rested.promise, { what: "the next look", withinMs: 60_000 });
      const happened = told;
      told = [];
      return happened;
    },
    async [Symbol.asyncDispose]() {
      interruption.abort(new Interrupted());
      next.resolve();
      await assert.rejects(ended, Interrupted);
    },
  };
}

/** Nodes that run report every 30 s of the machine's time, which does not pass as fast as the lab's. */
export async function hearAll(lab: SliceLab): Promise<void> {
  const names = lab.nodes.filter(isRunning).map((node) => node.name);
  await lab.database.rows("update nodes set heard = to_timestamp($1) where node = any($2)", [
    lab.clock.now(),
    names,
  ]);
}
