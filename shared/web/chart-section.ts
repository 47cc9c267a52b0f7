import { formatInstant, type Instant } from "../model/time.ts";
import { amount, type Chart, latest, meanOf, roundedUp, runsOf, type Series } from "./chart.ts";
import { type Html, html } from "./html.ts";

/** The picture's own units. It is stretched to the place there is; lines keep their width. */
const [WIDE, HIGH] = [960, 200];
/** What lies longer back than this is no value of now. */
const NOW_SECONDS = 900;
const HOUR = 3600;
/** How many labels time has. */
const TIMES = 5;

/** A chart as a section of a page: curves with axes, what they stand at now, and the same as a table, hour by hour. */
export function chartSection(chart: Chart): Html {
  const { id, title, unit, hint } = chart;
  return html`<section id="${id}" class="chart">
<h2 id="${id}-title">${title}${unit === "" ? undefined : html` <span class="count">${unit}</span>`}</h2>
${hint === undefined ? undefined : html`<p class="none">${hint}</p>`}
${picture(chart)}
</section>
`;
}

export function isKnown({ series }: Chart): boolean {
  return series.some(({ spans }) => spans.length > 0);
}

/** Charts without anything to draw yet, all in one section. */
export function unknownSection(id: string, charts: readonly Chart[]): Html {
  const titles = charts.map(({ title }) => html`<li>${title}</li>`);
  return html`<section id="${id}">
<h2>Not known yet</h2>
<p class="none">Nothing has been measured of this in the time that is kept. A curve begins a few minutes after the first measurement.</p>
<ul class="none">${titles}</ul>
</section>
`;
}

function picture(chart: Chart): Html {
  const { id, series, from, to, whole } = chart;
  const most = Math.max(whole ?? 0, ...series.flatMap(({ spans }) => spans.map(({ value }) => value)));
  const top = roundedUp(most);
  return html`<ul class="legend">${series.map((one, at) => legend(one, at, chart))}${wholeLegend(chart)}</ul>
<div class="plot">
<div class="ticks-y" aria-hidden="true">${[top, top / 2, 0].map((tick) => html`<span>${amount(tick)}</span>`)}</div>
<svg viewBox="0 0 ${WIDE} ${HIGH}" preserveAspectRatio="none" role="img" aria-label="${spoken(chart)}">
<path class="grid" vector-effect="non-scaling-stroke" d="${grid()}"/>
${whole === undefined ? undefined : html`<path class="whole" vector-effect="non-scaling-stroke" d="M0,${y(whole, top)}H${WIDE}"/>`}
${series.map(
  (
    one,
    at,
  ) => html`<path class="curve curve-${at}" vector-effect="non-scaling-stroke" d="${curve(one, chart, top)}"/>
`,
)}</svg>
<div class="ticks-x" aria-hidden="true">${times(from, to)}</div>
</div>
<details id="${id}-table"><summary>As a table, hour by hour</summary>${hours(chart)}</details>`;
}

function legend(series: Series, at: number, { to, unit }: Chart): Html {
  const now = latest(series, to, NOW_SECONDS);
  return html`<li><svg class="swatch" viewBox="0 0 20 6" aria-hidden="true"><path class="curve curve-${at}" d="M0,3H20"/></svg> ${series.title}: <strong>${now === undefined ? "not known now" : `${amount(now)} ${unit}`.trim()}</strong></li>`;
}

function wholeLegend({ whole, unit }: Chart): Html | undefined {
  if (whole === undefined) return undefined;
  return html`<li><svg class="swatch" viewBox="0 0 20 6" aria-hidden="true"><path class="whole" d="M0,3H20"/></svg> At most: ${`${amount(whole)} ${unit}`.trim()}</li>`;
}

/** What the picture shows, for whoever does not see it. */
function spoken({ title, unit, series, to }: Chart): string {
  const parts = series.map((one) => {
    const values = one.spans.map(({ value }) => value);
    if (values.length === 0) return `${one.title}: nothing known`;
    const now = latest(one, to, NOW_SECONDS);
    const range = `between ${amount(Math.min(...values))} and ${amount(Math.max(...values))}`;
    return `${one.title}: ${now === undefined ? "" : `now ${amount(now)}, `}${range}`;
  });
  return `${title}${unit === "" ? "" : ` (${unit})`}. ${parts.join("; ")}.`;
}

function grid(): string {
  const across = [0, HIGH / 2, HIGH].map((at) => `M0,${at}H${WIDE}`);
  const down = Array.from({ length: TIMES }, (_, at) => `M${(at * WIDE) / (TIMES - 1)},0V${HIGH}`);
  return [...across, ...down].join("");
}

function y(value: number, top: number): string {
  return (HIGH - (HIGH * value) / top).toFixed(1);
}

/** Steps, since a value holds for its whole span; a gap is where no span is. */
function curve({ spans }: Series, { from, to }: Chart, top: number): string {
  const x = (at: Instant) => ((WIDE * (Math.max(at, from) - from)) / (to - from)).toFixed(1);
  return runsOf(spans.filter(({ end }) => end > from))
    .map(([first, ...rest]) => {
      const begun = `M${x(first!.start)},${y(first!.value, top)}H${x(first!.end)}`;
      return begun + rest.map(({ end, value }) => `V${y(value, top)}H${x(end)}`).join("");
    })
    .join("");
}

function times(from: Instant, to: Instant): Html[] {
  return Array.from({ length: TIMES }, (_, at) => {
    const before = ((to - from) * (TIMES - 1 - at)) / (TIMES - 1) / HOUR;
    const text = to - from < 4 * HOUR ? `−${Math.round(before * 60)} min` : `−${amount(before)} h`;
    return html`<span>${before === 0 ? "now" : text}</span>`;
  });
}

/** Whole hours of UTC, the last one first, as far as it is over. */
function hours({ title, series, from, to }: Chart): Html {
  const count = Math.ceil((to - from) / HOUR);
  const last = Math.ceil(to / HOUR) * HOUR;
  const rows = Array.from({ length: count }, (_, at) => {
    const start = last - (at + 1) * HOUR;
    const cells = series.map(({ spans }) => meanOf(spans, Math.max(start, from), start + HOUR));
    return html`<tr><th scope="row">${formatInstant(start).slice(0, 16)}</th>${cells.map((mean) => html`<td class="number">${mean === undefined ? "–" : amount(mean)}</td>`)}</tr>
`;
  });
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${title}, hour by hour"><table>
<thead><tr><th scope="col">Hour from (UTC)</th>${series.map((one) => html`<th scope="col" class="number">${one.title}</th>`)}</tr></thead>
<tbody>
${rows}</tbody></table></div>`;
}

/** For programs: start, end (seconds since 1970) and value of each span, by series. */
export function chartJson({ title, unit, whole, series }: Chart): object {
  const spans = series.map((one) => [
    one.key,
    { title: one.title, spans: one.spans.map(({ start, end, value }) => [start, end, value]) },
  ]);
  return { title, unit, ...(whole !== undefined && { whole }), series: Object.fromEntries(spans) };
}
