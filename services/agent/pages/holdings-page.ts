import type { Share, ShareDimension } from "#shared/model/resources.ts";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import type { Advertisement } from "../store/advertisements.ts";
import type { KnownCondition } from "../store/conditions.ts";
import type { MonitorRecord } from "../store/monitors.ts";
import type { SliceOverview } from "../store/overview.ts";
import { CONDITION_TITLES, conditionCells } from "./condition-cells.ts";
import { type Html, html } from "./html.ts";
import { monitorsSection } from "./monitors-table.ts";

/** What the page shows: what is in the answers to plain methods, and what monitors tell. */
export type Holdings = {
  readonly now: Instant;
  readonly agent: string;
  readonly version: string;
  readonly overbooking: number;
  readonly ads: readonly Advertisement[];
  /** What monitors tell of these nodes beside what is advertised. */
  readonly conditions: readonly KnownCondition[];
  readonly monitors: readonly MonitorRecord[];
  readonly slices: readonly SliceOverview[];
  /** How many of either are shown at most. */
  readonly limit: number;
};

const SHOWN: readonly { dimension: ShareDimension; title: string; unit: string }[] = [
  { dimension: "slivers", title: "Slivers", unit: "" },
  { dimension: "memoryMib", title: "Memory", unit: "MiB" },
  { dimension: "diskMib", title: "Disk", unit: "MiB" },
  { dimension: "cpuMillis", title: "Processor (1/1000 core)", unit: "" },
  { dimension: "egressKbps", title: "Egress", unit: "kbit/s" },
];

export function holdingsPage(holdings: Holdings): string {
  const { now, agent, version, overbooking, ads, slices } = holdings;
  const factor = overbooking === 1000 ? html`` : html` · overbooking ${overbooking / 1000}`;
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Slicelab agent</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header>
<h1>Slicelab agent</h1>
<p><code>${agent.slice(0, 16)}…</code> · version ${version}${factor} · ${formatInstant(now)} UTC</p>
</header>
<main>
<section>
<h2>Holdings <span class="count">${ads.length} nodes</span></h2>
${ads.length === 0 ? html`<p class="none">No node has given this agent anything yet.</p>` : nodeTable(holdings)}
${ads.length === holdings.limit ? html`<p class="none">Only the first ${holdings.limit} nodes are shown.</p>` : html``}
</section>
<section>
<h2>Slices <span class="count">${slices.length}</span></h2>
${slices.length === 0 ? html`<p class="none">No slice has a ticket or a lease now.</p>` : sliceTable(slices)}
</section>
${monitorsSection(holdings.monitors, now)}</main>
</body>
</html>
`.text;
}

function nodeTable({ ads, conditions, now, overbooking }: Holdings): Html {
  const known = new Map(conditions.map((condition) => [condition.node, condition]));
  return html`<table>
<thead><tr><th>Node</th><th>Site</th><th>Engines</th>${SHOWN.map(({ title }) => html`<th>${title}</th>`)}${CONDITION_TITLES.map((title) => html`<th>${title}</th>`)}</tr></thead>
<tbody>
${ads.map((ad) => nodeRow(ad, known.get(ad.node), now, overbooking))}</tbody>
</table>`;
}

function nodeRow(
  ad: Advertisement,
  known: KnownCondition | undefined,
  now: Instant,
  overbooking: number,
): Html {
  const simulated = ad.simulated ? html` <span class="mark">simulated</span>` : html``;
  return html`<tr>
<th scope="row">${ad.ip}<small>${ad.node.slice(0, 12)}</small></th>
<td>${ad.site ?? "–"}</td>
<td>${ad.engines.join(", ") || "–"}${simulated}</td>
${SHOWN.map((shown) => usageCell(ad.resources, ad.free, shown, overbooking))}
${conditionCells(ad, known, now)}</tr>
`;
}

/** Used of what may be issued now. */
function usageCell(
  resources: Share,
  free: Share,
  { dimension, unit }: { dimension: ShareDimension; unit: string },
  overbooking: number,
): Html {
  const limit = Math.floor((resources[dimension] * overbooking) / 1000);
  const used = Math.max(0, limit - free[dimension]);
  return html`<td class="usage">${used} / ${limit} ${unit}<meter min="0" max="${Math.max(1, limit)}" high="${Math.floor(limit * NEARLY_FULL)}" value="${used}"></meter></td>
`;
}

/** From this part on the bar is drawn as a warning. */
const NEARLY_FULL = 0.8;

function sliceTable(slices: readonly SliceOverview[]): Html {
  return html`<table>
<thead><tr><th>Slice</th><th>Nodes</th><th>Leases</th><th>Tickets to redeem</th><th>Counted until (UTC)</th></tr></thead>
<tbody>
${slices.map(
  (
    slice,
  ) => html`<tr><th scope="row">${slice.slice}</th><td>${slice.nodes}</td><td>${slice.redeemed}</td><td>${slice.issued}</td><td>${formatInstant(slice.until)}</td></tr>
`,
)}</tbody>
</table>`;
}
