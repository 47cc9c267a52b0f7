import { formatInstant, type Instant } from "../model/time.ts";
import { type Content, type Html, html } from "./html.ts";
import type { Panel } from "./page.ts";

/** Something that lasts, drawn as a bar. */
export type Bar = {
  readonly start: Instant;
  readonly end: Instant;
  readonly tone: "good" | "plain" | "warn" | "bad";
  /** What it is, from when to when, in words. */
  readonly label: string;
  readonly href?: string;
};

/** What stands on one line. */
export type Lane = { readonly name: string; readonly href?: string; readonly bars: readonly Bar[] };

type Terms = {
  readonly now: Instant;
  readonly lanes: readonly Lane[];
  /** Says where the same stands as a table. */
  readonly beside: Content;
  /** What stands there instead where there is no line. */
  readonly none: string;
};

const [WIDTH, NAMES, LANE, HEAD, BAR] = [1000, 190, 24, 26, 15];
const LONGEST_NAME = 24;

/** Lines that are drawn; a table has all. */
const MOST_LANES = 60;

const DAY = 86_400;
const STEPS = [
  900,
  3600,
  3 * 3600,
  6 * 3600,
  12 * 3600,
  DAY,
  2 * DAY,
  7 * DAY,
  14 * DAY,
  30 * DAY,
  90 * DAY,
  365 * DAY,
];
const MOST_TICKS = 9;

/** What is drawn of time: nothing is looked at that lies further off. */
const [BACK, AHEAD, LEAST] = [14 * DAY, 120 * DAY, 3600];

/** A calendar: what lasts from when to when, now and later, a line for each thing it is about. */
export function timeline(id: string, title: string, { now, lanes, beside, none }: Terms): Panel {
  if (lanes.length === 0) return { id, title, body: html`<p class="none">${none}</p>` };
  const shown = lanes.slice(0, MOST_LANES);
  const span = spanOf(shown, now);
  const height = HEAD + shown.length * LANE + 6;
  const more = lanes.length - shown.length;
  const left = more > 0 ? html` ${more} more are only there.` : undefined;
  const body = html`<p class="none">${beside}${left} <a href="#after-${id}">Skip the calendar</a></p>
<div class="scroll" tabindex="0" role="region" aria-label="${title}"><svg class="timeline" viewBox="0 0 ${WIDTH} ${height}" role="group" aria-label="${title}">
${ticksOf(span).map((at) => tick(at, { span, height, now }))}<line class="now" x1="${x(now, span)}" x2="${x(now, span)}" y1="${HEAD - 6}" y2="${height}"/>
<text class="now" x="${x(now, span)}" y="${HEAD - 14}" text-anchor="middle">now</text>
${shown.map((lane, at) => laneOf(lane, HEAD + at * LANE, span))}</svg></div>
<span id="after-${id}" tabindex="-1"></span>`;
  return { id, title, body };
}

type Span = { readonly start: Instant; readonly end: Instant; readonly step: number };

function spanOf(lanes: readonly Lane[], now: Instant): Span {
  const bars = lanes.flatMap((lane) => lane.bars);
  const earliest = Math.max(now - BACK, Math.min(now, ...bars.map(({ start }) => start)));
  const latest = Math.min(now + AHEAD, Math.max(now + LEAST, ...bars.map(({ end }) => end)));
  const margin = (latest - earliest) / 30;
  const [start, end] = [earliest - margin, latest + margin];
  const step = STEPS.find((length) => (end - start) / length <= MOST_TICKS) ?? STEPS.at(-1)!;
  return { start, end, step };
}

function x(at: Instant, { start, end }: Span): string {
  const part = (Math.max(start, Math.min(end, at)) - start) / (end - start);
  return (NAMES + part * (WIDTH - NAMES)).toFixed(1);
}

function ticksOf({ start, end, step }: Span): Instant[] {
  const first = Math.ceil(start / step) * step;
  return Array.from({ length: Math.floor((end - first) / step) + 1 }, (_, at) => first + at * step);
}

/** So far from what is written over now, half a word of both, other times are written. */
const APART = 36;

function tick(
  at: Instant,
  { span, height, now }: { readonly span: Span; readonly height: number; readonly now: Instant },
): Html {
  const text = formatInstant(at);
  const label = span.step < DAY && at % DAY !== 0 ? text.slice(11, 16) : text.slice(5, 10);
  const line = html`<line class="tick" x1="${x(at, span)}" x2="${x(at, span)}" y1="${HEAD - 6}" y2="${height}"/>`;
  if (Math.abs(Number(x(at, span)) - Number(x(now, span))) < APART)
    return html`${line}
`;
  return html`${line}<text x="${x(at, span)}" y="10" text-anchor="middle">${label}</text>
`;
}

function laneOf({ name, href, bars }: Lane, y: number, span: Span): Html {
  const short = name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name;
  const text = html`<text x="0" y="${y + 13}"><title>${name}</title>${short}</text>`;
  const named = href === undefined ? text : html`<a href="${href}" aria-label="${name}">${text}</a>`;
  return html`<line class="lane" x1="0" x2="${WIDTH}" y1="${y + LANE - 4}" y2="${y + LANE - 4}"/>${named}${bars.flatMap((bar) => barOf(bar, y, span) ?? [])}
`;
}

function barOf({ start, end, tone, label, href }: Bar, y: number, span: Span): Html | undefined {
  if (end <= span.start || start >= span.end) return undefined;
  const from = Number(x(start, span));
  const width = Math.max(2, Number(x(end, span)) - from).toFixed(1);
  const drawn = html`<rect class="bar-${tone}" x="${from}" y="${y + 2}" width="${width}" height="${BAR}" rx="3"><title>${label}</title></rect>`;
  return href === undefined ? drawn : html`<a href="${href}" aria-label="${label}">${drawn}</a>`;
}
