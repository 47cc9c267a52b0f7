import type { NetworkUsage, Usage } from "../backend.ts";
import type { Daemon } from "./daemon.ts";
import type { ContainerFacts } from "./sliver-container.ts";

/** What of `GET /containers/…/stats` is used here. */
type Stats = {
  readonly cpu_stats: { readonly cpu_usage: { readonly total_usage: number } };
  readonly memory_stats: { readonly usage?: number; readonly stats?: Readonly<Record<string, number>> };
  readonly pids_stats: { readonly current?: number };
  readonly networks?: Readonly<Record<string, Readonly<Record<string, number>>>>;
};

const NOTHING = { cpuMicroseconds: 0, memoryBytes: 0, processes: 0 };

/** What the daemon counted of a sliver since its last start, but for its disk. */
export async function usageOf(
  daemon: Daemon,
  { Id, State }: ContainerFacts,
): Promise<Omit<Usage, "diskBytes">> {
  if (!State.Running) return NOTHING;
  const query = { stream: "0", "one-shot": "1" };
  const path = `/containers/${Id}/stats`;
  const stats = await daemon.find<Stats>({ purpose: "tell what a sliver uses", path, query });
  if (!stats) return NOTHING;
  const { usage = 0, stats: memory = {} } = stats.memory_stats;
  // Without the file contents the kernel would drop at once if the memory were wanted.
  const droppable = memory.total_inactive_file ?? memory.inactive_file ?? 0;
  return {
    cpuMicroseconds: Math.round(stats.cpu_stats.cpu_usage.total_usage / 1000),
    memoryBytes: Math.max(0, usage - droppable),
    processes: stats.pids_stats.current ?? 0,
    ...(stats.networks && { network: trafficOf(stats.networks) }),
  };
}

/** No class of packets is limited by this engine, so that none is counted apart. */
function trafficOf(networks: NonNullable<Stats["networks"]>): NetworkUsage {
  const sum = (name: string) => Object.values(networks).reduce((all, link) => all + (link[name] ?? 0), 0);
  return {
    sent: { bytes: sum("tx_bytes"), packets: sum("tx_packets") },
    received: { bytes: sum("rx_bytes"), packets: sum("rx_packets") },
    alarming: { bytes: 0, packets: 0 },
  };
}
