import { FlowRecords } from "../store/flow-records.ts";
import { FlowWatch, type FlowWatchDeps } from "./flow-watch.ts";
import type { WhoDeps } from "./who.ts";

export type FlowsDeps = Omit<FlowWatchDeps, "records"> & { readonly state: string };

/** Which slice had which flow, written down for two days. */
export function openFlows({ state, ...deps }: FlowsDeps): Disposable & WhoDeps["flows"] {
  const records = FlowRecords.open(state);
  const watch = new FlowWatch({ ...deps, records });
  return {
    records,
    flush: () => watch.flush(),
    told: () => watch.told(),
    simulating: () =>
      new Set(
        deps.engines.filter(({ statement }) => statement.simulated).map(({ statement }) => statement.engine),
      ),
    [Symbol.dispose]() {
      watch[Symbol.dispose]();
      records[Symbol.dispose]();
    },
  };
}
