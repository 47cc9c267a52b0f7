import { formatInstant, type Instant } from "../model/time.ts";
import type { Chart } from "./chart.ts";
import { chartJson, chartSection, isKnown, unknownSection } from "./chart-section.ts";
import { type Content, type Html, html } from "./html.ts";
import type { Table } from "./table.ts";
import { tableSection } from "./table-section.ts";

/** One line of what is known of the thing a page is about. */
export type Fact = {
  readonly key: string;
  readonly title: string;
  /** As JSON has it. */
  readonly value: string | number | readonly string[] | undefined;
  readonly show?: Content;
};

/** A part of a page that is no table. */
export type Panel = { readonly id: string; readonly title: string; readonly body: Html };

export type Part = Table | Chart | Panel;

/** What somebody may look at, before it is HTML or JSON. */
export type Page = {
  readonly title: string;
  readonly now: Instant;
  /** Under the title. */
  readonly lead?: Content;
  /** What has to be known before anything else on the page is believed. */
  readonly notices?: readonly string[];
  readonly facts?: readonly Fact[];
  readonly parts: readonly Part[];
};

/** Where a page stands: what is around it is the same on all pages of a service. */
export type Frame = {
  /** "Slicelab agent". */
  readonly service: string;
  readonly links: readonly { readonly href: string; readonly title: string }[];
  readonly path: string;
  readonly parameters: URLSearchParams;
  /** Who looks, where pages differ by that. */
  readonly who?: Html;
  /** Addresses of what all pages need. */
  readonly style: string;
  readonly script: string;
  readonly icon: string;
};

export function pageHtml(page: Page, frame: Frame): string {
  const { service, path, who, style, script, icon } = frame;
  const title = page.title === service ? service : `${page.title} · ${service}`;
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="${icon}">
<link rel="stylesheet" href="${style}">
<script src="${script}" defer></script>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header>
<nav aria-label="Pages">${frame.links.map((to) => navigationLink(to, path))}${who && html`<span class="who">${who}</span>`}</nav>
${headSection(page)}</header>
<main id="content" tabindex="-1">
${mainSections(page, frame).map(({ body }) => body)}</main>
${footSection(page, frame)}
</body>
</html>
`.text;
}

/** The parts of a page that change while it is looked at, by id. */
export function pageSections(page: Page, frame: Frame): Map<string, string> {
  const main = mainSections(page, frame).map(({ id, body }) => [id, body.text] as const);
  return new Map([[HEAD, headSection(page).text], ...main, [FOOT, footSection(page, frame).text]]);
}

const [HEAD, FACTS, UNKNOWN, FOOT] = ["page-head", "facts", "not-known-yet", "page-foot"];

function headSection({ title, lead, notices = [] }: Page): Html {
  return html`<div id="${HEAD}"><h1>${title}</h1>
${lead === undefined ? undefined : html`<p>${lead}</p>`}
${notices.map((text) => html`<p class="notice">${text}</p>`)}
</div>
`;
}

function mainSections(
  { facts = [], parts }: Page,
  { parameters, path }: Frame,
): { readonly id: string; readonly body: Html }[] {
  const unknown = parts.filter(isUnknown);
  const of = parts.flatMap((part) => {
    if (part === unknown[0]) return [{ id: UNKNOWN, body: unknownSection(UNKNOWN, unknown) }];
    return isUnknown(part) ? [] : [{ id: part.id, body: partSection(part, parameters, path) }];
  });
  return facts.length === 0 ? of : [{ id: FACTS, body: factsSection(facts) }, ...of];
}

function isUnknown(part: Part): part is Chart {
  return "series" in part && !isKnown(part);
}

function footSection({ now }: Page, { service, path, parameters }: Frame): Html {
  return html`<footer id="${FOOT}">${service} · as of ${formatInstant(now)} UTC · <a href="${jsonAddress(path, parameters)}">this page as JSON</a> · nothing can be changed here</footer>`;
}

function navigationLink({ href, title }: Frame["links"][number], path: string): Html {
  const within = path === href || (href !== "/" && path.startsWith(`${href}/`));
  if (!within) return html`<a href="${href}">${title}</a>`;
  return html`<a href="${href}" aria-current="${path === href ? "page" : "true"}">${title}</a>`;
}

function factsSection(facts: readonly Fact[]): Html {
  const rows = facts.map(
    ({ title, value, show }) => html`<div><dt>${title}</dt><dd>${show ?? valueText(value)}</dd></div>
`,
  );
  return html`<section id="${FACTS}"><h2 class="unseen">In short</h2><dl class="facts">
${rows}</dl></section>
`;
}

function valueText(value: Fact["value"]): string {
  const text = typeof value === "object" ? value.join(", ") : String(value ?? "");
  return text === "" ? "–" : text;
}

function partSection(part: Part, parameters: URLSearchParams, path: string): Html {
  if ("select" in part) return tableSection(part, parameters, path);
  if ("series" in part) return chartSection(part);
  return html`<section id="${part.id}"><h2>${part.title}</h2>
${part.body}</section>
`;
}

function jsonAddress(path: string, parameters: URLSearchParams): string {
  const query = parameters.size === 0 ? "" : `?${parameters}`;
  return `${path === "/" ? "/index" : path}.json${query}`;
}

/** The same page for programs: its facts, its charts, and of its tables what the query string chooses. */
export function pageJson(page: Page, parameters: URLSearchParams): object {
  const tables = page.parts.flatMap((part) => {
    if (!("select" in part)) return [];
    const { total, matching, page: number, pages, rows } = part.select(parameters);
    return [[part.id, { total, matching, page: number, pages, rows: rows.map(({ json }) => json) }] as const];
  });
  const charts = page.parts.flatMap((part) =>
    "series" in part ? [[part.id, chartJson(part)] as const] : [],
  );
  return {
    title: page.title,
    as_of: formatInstant(page.now),
    notices: page.notices ?? [],
    ...Object.fromEntries((page.facts ?? []).map(({ key, value }) => [key, value ?? null])),
    tables: Object.fromEntries(tables),
    ...(charts.length > 0 && { charts: Object.fromEntries(charts) }),
  };
}

export function tablesOf({ parts }: Page): Table[] {
  return parts.filter((part) => "select" in part);
}

export function chartIds({ parts }: Page): string[] {
  return parts.flatMap((part) => ("series" in part ? [part.id] : []));
}
