import type { Instant } from "#shared/model/time.ts";
import { beginning, type Chart, type Series } from "#shared/web/chart.ts";
import type { Page } from "#shared/web/page.ts";
import {
  type FleetRecord,
  HISTORY_SECONDS,
  KEPT_SECONDS,
  type NodeRecord,
} from "../store/monitors/history.ts";

/** Reads how a node, or all of them together, were. */
export type ReadHistory = {
  readonly node: (name: string) => Promise<NodeRecord[]>;
  readonly fleet: () => Promise<FleetRecord[]>;
};

type Line<Row> = readonly [key: string, title: string, value: (row: Row) => number | null];

const TOLD = "What monitors tell of the whole machine; nobody vouches for it.";
const TOLD_OF_SOME = "What monitors tell, of the nodes they know; nobody vouches for it.";

/** How a node was in the last two days. */
export function nodeCharts(records: readonly NodeRecord[], now: Instant): Chart[] {
  const chart = charter(records, now);
  return [
    chart({ id: "history-leases", title: "Leases", unit: "" }, [
      ["leases", "Leases", ({ leases }) => leases],
      ["tickets", "Tickets to redeem", ({ tickets }) => tickets],
    ]),
    chart({ id: "history-cpu", title: "Processors in use", unit: "%", whole: 100, hint: TOLD }, [
      ["cpu", "In use", ({ cpuPercent }) => cpuPercent],
    ]),
    chart({ id: "history-load", title: "Load", unit: "", hint: TOLD }, [
      ["load", "Load", ({ load }) => load],
    ]),
    chart({ id: "history-memory", title: "Memory", unit: "MiB", hint: TOLD }, [
      ["used", "In use", ({ memoryUsedMib }) => memoryUsedMib],
      ["promised", "Promised to slices", ({ memoryMib }) => memoryMib],
    ]),
    chart({ id: "history-network", title: "Network", unit: "kbit/s", hint: TOLD }, network()),
    chart({ id: "history-heard", title: "Heard by the agent", unit: "%", whole: 100 }, [
      ["heard", "Of the time", ({ heard }) => heard * 100],
    ]),
  ];
}

/** How all nodes together were, and how many tickets went which way. */
export function historyPage(records: readonly FleetRecord[], now: Instant): Page {
  const chart = charter(records, now);
  const parts = [
    chart({ id: "history-nodes", title: "Nodes", unit: "" }, [
      ["nodes", "Known", ({ nodes }) => nodes],
      ["heard", "Heard", ({ heard }) => heard],
    ]),
    chart({ id: "history-leases", title: "Leases", unit: "" }, [
      ["leases", "Leases", ({ leases }) => leases],
      ["tickets", "Tickets to redeem", ({ tickets }) => tickets],
    ]),
    chart({ id: "history-flow", title: "Ticket flow", unit: "an hour" }, [
      ["issued", "Issued", ({ issuedHourly }) => issuedHourly],
      ["redeemed", "Redeemed", ({ redeemedHourly }) => redeemedHourly],
      ["ended", "Ended or given back", ({ endedHourly }) => endedHourly],
    ]),
    chart({ id: "history-cpu", title: "Processors in use", unit: "%", whole: 100, hint: TOLD_OF_SOME }, [
      ["cpu", "On average", ({ cpuPercent }) => cpuPercent],
    ]),
    chart({ id: "history-promised-cpu", title: "Processors promised to slices", unit: "cores" }, [
      ["cores", "Promised", ({ cpuMillis }) => cpuMillis / 1000],
    ]),
    chart({ id: "history-memory", title: "Memory", unit: "GiB", hint: TOLD_OF_SOME }, [
      ["used", "In use", ({ memoryUsedMib }) => gib(memoryUsedMib)],
      ["promised", "Promised to slices", ({ memoryMib }) => gib(memoryMib)],
    ]),
    chart({ id: "history-network", title: "Network", unit: "kbit/s", hint: TOLD_OF_SOME }, network()),
  ];
  return { title: "The last two days", now, parts };
}

function network(): Line<NodeRecord | FleetRecord>[] {
  return [
    ["received", "Received", ({ receivedKbps }) => receivedKbps],
    ["sent", "Sent", ({ sentKbps }) => sentKbps],
  ];
}

function gib(mib: number | null): number | null {
  return mib === null ? null : mib / 1024;
}

/** Charts of these records: what is not known in one is a gap there. */
function charter<Row extends { readonly start: Instant; readonly end: Instant }>(
  records: readonly Row[],
  now: Instant,
) {
  // So that a chart that somebody watches changes when there is something new, and not with every second.
  const to = Math.ceil(now / HISTORY_SECONDS) * HISTORY_SECONDS;
  const series = ([key, title, value]: Line<Row>): Series => ({
    ...{ key, title },
    spans: records.flatMap((record) => {
      const is = value(record);
      return is === null ? [] : [{ start: record.start, end: record.end, value: is }];
    }),
  });
  return (of: Omit<Chart, "from" | "to" | "series">, lines: readonly Line<Row>[]): Chart => {
    return { ...of, from: beginning(records, to, KEPT_SECONDS), to, series: lines.map(series) };
  };
}
