import type { Family } from "#shared/runtime/open-metrics.ts";
import type { NodeMetric } from "./node-metrics.ts";

/** The node's own numbers as families, by Ganglia's names. */
export function nodeFamilies(metrics: readonly NodeMetric[]): readonly Family[] {
  return metrics
    .filter(({ metadata }) => metadata.type !== "string")
    .map(({ name, value, metadata }) => ({
      name: `slicelab_node_${name}`,
      type: "gauge",
      help: `${name} of this node${metadata.units.trim() && `, in ${metadata.units}`}, as Ganglia has it.`,
      samples: [{ value: Number(value) }],
    }));
}
