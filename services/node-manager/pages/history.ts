import type { Share } from "#shared/model/resources.ts";
import type { Instant } from "#shared/model/time.ts";
import { beginning, type Chart, type Series } from "#shared/web/chart.ts";
import type { Page } from "#shared/web/page.ts";
import { FINE_SECONDS, KEPT_SECONDS, type PastSpan } from "../usage/past.ts";

type Line = readonly [key: string, title: string, value: (span: PastSpan) => number | undefined];

const HOUR = 3600;

/** How the node was over the last two days. Whose leases they were is not in it. */
export function historyPage(past: readonly PastSpan[], capacity: Share, now: Instant): Page {
  const chart = (of: Omit<Chart, "from" | "to" | "series">, ...lines: Line[]) => {
    // So that it changes when there is something new, and not with every second.
    const to = Math.ceil(now / FINE_SECONDS) * FINE_SECONDS;
    return {
      ...of,
      from: beginning(past, to, KEPT_SECONDS),
      to,
      series: lines.map((line) => seriesOf(past, line)),
    };
  };
  const hourly = (count: number, { start, end }: PastSpan) => (count * HOUR) / (end - start);
  const parts: Chart[] = [
    chart({ id: "history-leases", title: "Leases", unit: "", whole: capacity.slivers }, [
      "leases",
      "Leases",
      ({ leases }) => leases,
    ]),
    chart(
      { id: "history-flow", title: "Leases that came and went", unit: "an hour" },
      ["begun", "Begun", (span) => hourly(span.begun, span)],
      ["ended", "Ended", (span) => hourly(span.ended, span)],
    ),
    chart(
      { id: "history-cpu", title: "Processor", unit: "cores", whole: capacity.cpuMillis / 1000 },
      [
        "used",
        "Used by slivers",
        ({ cpuMillis }) => (cpuMillis !== undefined ? cpuMillis / 1000 : undefined),
      ],
      ["leased", "Leased", ({ leasedCpuMillis }) => leasedCpuMillis / 1000],
    ),
    chart(
      { id: "history-memory", title: "Memory", unit: "MiB", whole: capacity.memoryMib },
      ["used", "Used by slivers", ({ memoryMib }) => memoryMib],
      ["leased", "Leased", ({ leasedMemoryMib }) => leasedMemoryMib],
    ),
    chart(
      { id: "history-network", title: "Network of slivers", unit: "kbit/s" },
      ["received", "Received", ({ receivedKbps }) => receivedKbps],
      ["sent", "Sent", ({ sentKbps }) => sentKbps],
    ),
  ];
  return { title: "The last two days", now, parts };
}

function seriesOf(past: readonly PastSpan[], [key, title, value]: Line): Series {
  const spans = past.flatMap((span) => {
    const is = value(span);
    return is === undefined ? [] : [{ start: span.start, end: span.end, value: is }];
  });
  return { key, title, spans };
}
