import type { Family } from "#shared/runtime/open-metrics.ts";
import type { DumpMetric } from "#shared/wire/ganglia/host.ts";
import type { HostMetric } from "#shared/wire/ganglia/host-metric.ts";

/** The node's own numbers as families, by Ganglia's names. */
export function nodeFamilies(metrics: readonly HostMetric[]): readonly Family[] {
  return metrics
    .filter(({ metadata }) => metadata.type !== "string")
    .map(({ name, value, metadata }) => ({
      name: `slicelab_node_${name}`,
      type: "gauge",
      help: `${name} of this node${metadata.units.trim() && `, in ${metadata.units}`}, as Ganglia has it.`,
      samples: [{ value: Number(value) }],
    }));
}

const SLICE_METRICS: Readonly<Record<string, Omit<Family, "samples" | "type"> & { readonly unit: number }>> =
  {
    cpu: { name: "slicelab_slice_cpu_percent", help: "Use of one processor by the slice's sliver.", unit: 1 },
    memory: { name: "slicelab_slice_memory_bytes", help: "Memory that the sliver holds.", unit: 1024 },
    rx: { name: "slicelab_slice_receive_bytes_per_second", help: "What the sliver received.", unit: 1 },
    tx: { name: "slicelab_slice_transmit_bytes_per_second", help: "What the sliver sent.", unit: 1 },
  };
const SLICE_METRIC = /^slice_([a-z0-9_]+)_(cpu|memory|rx|tx)$/;

/** What the node manager told of each slice on the node. A value that is no number is left out. */
export function sliceFamilies(heard: readonly DumpMetric[]): readonly Family[] {
  const told = heard.flatMap(({ name, value }) => {
    const [, slice, what] = SLICE_METRIC.exec(name) ?? [];
    return slice && what && isNumber(value) ? [{ slice, what, value: Number(value) }] : [];
  });
  const byKind = Map.groupBy(told, ({ what }) => what);
  return [...byKind].map(([what, all]) => {
    const { unit, ...family } = SLICE_METRICS[what]!;
    const samples = all.map(({ slice, value }) => ({
      label: ["slice", slice] as const,
      value: value * unit,
    }));
    return { ...family, type: "gauge", samples };
  });
}

function isNumber(text: string): boolean {
  return /^-?\d{1,20}(\.\d{1,10})?$/.test(text);
}

/** When the node manager was started, and how long ago it last said that it lives; nothing where none was heard. */
export function nodeManagerFamilies(heard: readonly DumpMetric[]): readonly Family[] {
  const beat = heard.find(({ name }) => name === "slicelab_node_manager");
  if (!beat || !isNumber(beat.value)) return [];
  const one = (name: string, help: string, value: number): Family => {
    return { name: `slicelab_node_manager_${name}`, type: "gauge", help, samples: [{ value }] };
  };
  return [
    one("start_time_seconds", "When the node manager was started, since 1970.", Number(beat.value)),
    one("silent_seconds", "How long ago it last said that it lives.", beat.tn),
  ];
}
