import type { HostMetric } from "#shared/wire/ganglia/host-metric.ts";
import type { Metadata } from "#shared/wire/ganglia/packet.ts";
import type { RecentUsage } from "./history.ts";

/** Seconds within which all of it is told again. */
const TMAX_SECONDS = 60;
/** Seconds after which a slice that nobody tells of any more is forgotten by monitors: it ended. */
const SLICE_DMAX_SECONDS = 90;

const SLICES: Metadata = {
  type: "float",
  units: "",
  slope: "both",
  tmax: TMAX_SECONDS,
  dmax: SLICE_DMAX_SECONDS,
  extra: [["GROUP", "slices"]],
};
const NODE: Metadata = {
  ...SLICES,
  type: "string",
  slope: "zero",
  dmax: 0,
  extra: [["GROUP", "slicelab"]],
};

/** That the node manager lives, since when (seconds since 1970), and of which node it is: the SHA-256 of the node's key. */
export function nodeManagerMetrics(node: string, started: number): HostMetric[] {
  return [
    {
      name: "slicelab_node_manager",
      value: String(started),
      metadata: { ...NODE, type: "uint32", units: "s" },
    },
    { name: "slicelab_node", value: node, metadata: NODE },
  ];
}

/** What a slice uses: of one processor, of memory, and of the network where the engine counts that. */
export function sliceMetrics(slice: string, recent: RecentUsage): HostMetric[] {
  const { usage, processors, sent, received } = recent;
  const metric = (what: string, value: string, units: string): HostMetric => {
    return { name: `slice_${slice}_${what}`, value, metadata: { ...SLICES, units } };
  };
  return [
    metric("cpu", (100 * processors).toFixed(1), "%"),
    metric("memory", (usage.memoryBytes / 1024).toFixed(0), "KB"),
    ...(usage.network
      ? [metric("rx", received[0].toFixed(1), "bytes/sec"), metric("tx", sent[0].toFixed(1), "bytes/sec")]
      : []),
  ];
}
