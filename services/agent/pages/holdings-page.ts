import type { Share, ShareDimension } from "#shared/model/resources.ts";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import type { Advertisement } from "../store/advertisements.ts";
import type { SliceOverview } from "../store/overview.ts";
import { type Html, html } from "./html.ts";

/** What the page shows: nothing that is not in the answers to plain methods. */
export type Holdings = {
  readonly now: Instant;
  readonly agent: string;
  readonly version: string;
  readonly overbooking: number;
  readonly ads: readonly Advertisement[];
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
</main>
</body>
</html>
`.text;
}

function nodeTable({ ads, now, overbooking }: Holdings): Html {
  return html`<table>
<thead><tr><th>Node</th><th>Site</th><th>Engines</th>${SHOWN.map(({ title }) => html`<th>${title}</th>`)}<th>Heard</th></tr></thead>
<tbody>
${ads.map((ad) => nodeRow(ad, now, overbooking))}</tbody>
</table>`;
}

function nodeRow(ad: Advertisement, now: Instant, overbooking: number): Html {
  const simulated = ad.simulated ? html` <span class="mark">simulated</span>` : html``;
  return html`<tr>
<th scope="row">${ad.ip}<small>${ad.node.slice(0, 12)}</small></th>
<td>${ad.site ?? "–"}</td>
<td>${ad.engines.join(", ") || "–"}${simulated}</td>
${SHOWN.map((shown) => usageCell(ad.resources, ad.free, shown, overbooking))}
<td class="${isSilent(ad, now) ? "silent" : "heard"}">${ad.heard === undefined ? "never" : ago(now - ad.heard)}</td>
</tr>
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

const SILENT_AFTER_SECONDS = 120;

function isSilent(ad: Advertisement, now: Instant): boolean {
  return ad.heard === undefined || now - ad.heard > SILENT_AFTER_SECONDS;
}

function ago(seconds: number): string {
  if (seconds < 60) return `${Math.max(0, seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)} h ago` : `${Math.floor(seconds / 86_400)} d ago`;
}

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
