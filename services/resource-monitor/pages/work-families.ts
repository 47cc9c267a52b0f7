import type { Family } from "#shared/runtime/open-metrics.ts";
import type { Teller } from "#shared/wire/ganglia/teller.ts";
import type { DumpServer } from "../dump-server.ts";
import type { HostTable } from "../host-table.ts";
import type { MetadataRequests } from "../metadata-requests.ts";
import type { Receiver } from "../receiver.ts";

/** The parts of a monitor that count what they do. */
export type Working = {
  readonly table: HostTable;
  readonly receiver: Receiver;
  readonly dumps: DumpServer;
  readonly teller: Teller;
  readonly requests: MetadataRequests;
};

/** What the monitor itself does. */
export function workFamilies({ table, receiver, dumps, teller, requests }: Working): readonly Family[] {
  const { taken, dropped } = receiver.counts();
  const { served, abandoned } = dumps.counts();
  const { sent, failed } = teller.counts();
  const one = (name: string, type: Family["type"], help: string, value: number): Family => {
    return { name: `slicelab_monitor_${name}`, type, help, samples: [{ value }] };
  };
  return [
    one("hosts", "gauge", "Other hosts that are known.", table.size),
    one("table_bytes", "gauge", "What is kept of them, about.", table.bytes),
    one("packets_taken", "counter", "Packets that were taken in.", taken),
    {
      name: "slicelab_monitor_packets_dropped",
      type: "counter",
      help: "Packets that were dropped, by reason.",
      samples: [...dropped].map(([reason, value]) => ({ label: ["reason", reason], value })),
    },
    one("dumps", "counter", "Dumps that were read to their end.", served),
    one("dumps_abandoned", "counter", "Dumps that were not, or not in time.", abandoned),
    one("packets_sent", "counter", "Packets that told of this node.", sent),
    one("metadata_requests", "counter", "Times it was asked what a metric means.", requests.count),
    one("announcements_failed", "counter", "Times somebody could not be told of this node.", failed),
  ];
}
