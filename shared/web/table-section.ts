import { type Html, html } from "./html.ts";
import type { Selection, Table } from "./table.ts";
import { changedQuery, filterName } from "./table-query.ts";

type Shown = {
  readonly of: Table;
  readonly selection: Selection;
  readonly parameters: URLSearchParams;
  /** Of the page. */
  readonly path: string;
};

/** A table as a section of a page: links sort it, a form filters it, and both work without a script. */
export function tableSection(of: Table, parameters: URLSearchParams, path: string): Html {
  const selection = of.select(parameters);
  const shown: Shown = { of, selection, parameters, path };
  const none = selection.total === 0;
  return html`<section id="${of.id}" class="table" data-table>
<h2 id="${of.id}-title">${of.title} <span class="count">${countText(selection)}</span></h2>
${none ? html`<p class="none">${of.empty}</p>` : form(shown)}
</section>
`;
}

function countText({ total, matching, query }: Selection): string {
  return query.filters.size === 0 ? `${total}` : `${matching} of ${total}`;
}

function form(shown: Shown): Html {
  const { of, selection, path } = shown;
  return html`<form method="get" action="${path}#${of.id}" role="search" aria-label="Filter ${of.title}">
${keptParameters(shown)}<div class="scroll" tabindex="0" role="region" aria-labelledby="${of.id}-title">
<table>
<thead>
<tr>${of.columns.map((column) => headCell(shown, column))}</tr>
${isFiltered(selection) ? html`<tr class="filters">${of.columns.map((column) => filterCell(shown, column))}</tr>` : undefined}
</thead>
<tbody>
${selection.rows.map(({ cells }) => row(of, cells))}</tbody>
</table>
</div>
${selection.rows.length === 0 ? html`<p class="none">No row matches.</p>` : undefined}
${isFiltered(selection) ? controls(shown) : undefined}
</form>`;
}

/** A single row has nothing to be found among. */
function isFiltered({ total, query }: Selection): boolean {
  return total > 1 || query.filters.size > 0;
}

function row(of: Table, cells: Selection["rows"][number]["cells"]): Html {
  return html`<tr>${cells.map((cell, at) => {
    if (at === 0) return html`<th scope="row">${cell}</th>`;
    return of.columns[at]!.numeric ? html`<td class="number">${cell}</td>` : html`<td>${cell}</td>`;
  })}</tr>
`;
}

type Head = Table["columns"][number];

function headCell(
  { of, selection: { query }, parameters, path }: Shown,
  { key, title, numeric }: Head,
): Html {
  const sorted = query.sort === key;
  const next = sorted && !query.descending ? `-${key}` : key;
  const href = path + changedQuery(parameters, { [`${of.id}.sort`]: next, [`${of.id}.page`]: undefined });
  const direction = query.descending ? "descending" : "ascending";
  const arrow = sorted ? html` <span aria-hidden="true">${query.descending ? "▼" : "▲"}</span>` : undefined;
  return html`<th scope="col" class="${numeric ? "number" : ""}" aria-sort="${sorted ? direction : "none"}"><a href="${href}#${of.id}" id="${of.id}-by-${key}" data-sort>${title}${arrow}</a></th>`;
}

function filterCell({ of, selection: { query } }: Shown, { key, title }: Head): Html {
  return html`<td><input type="search" id="${of.id}-is-${key}" name="${filterName(of.id, key)}" value="${query.filters.get(key)}" aria-label="Only rows whose ${title} has" maxlength="100" autocomplete="off" spellcheck="false" placeholder="filter"></td>`;
}

/** Whatever else the query string says: how this one is sorted, and how other tables are seen. */
function keptParameters({ of, parameters }: Shown): Html[] {
  const own = new Set([`${of.id}.page`, ...of.columns.map(({ key }) => filterName(of.id, key))]);
  return [...parameters]
    .filter(([name]) => !own.has(name))
    .map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`);
}

function controls(shown: Shown): Html {
  const { of, selection, parameters, path } = shown;
  const cleared = Object.fromEntries(of.columns.map(({ key }) => [filterName(of.id, key), undefined]));
  const all = path + changedQuery(parameters, { ...cleared, [`${of.id}.page`]: undefined });
  return html`<p class="controls"><button type="submit">Filter</button>
${selection.query.filters.size > 0 ? html`<a href="${all}#${of.id}">Show all</a>` : undefined}
${selection.pages > 1 ? pager(shown) : undefined}
<span class="hint">Filters: part of a word, or &gt; 5, &lt;= 5, = x; - for what is not known</span></p>`;
}

function pager({ of, selection: { page, pages }, parameters, path }: Shown): Html {
  const to = (number: number, text: string) => {
    const href = path + changedQuery(parameters, { [`${of.id}.page`]: String(number) });
    return html`<a href="${href}#${of.id}">${text}</a>`;
  };
  return html`<span class="pager">${page > 1 ? to(page - 1, "Earlier") : undefined} page ${page} of ${pages} ${page < pages ? to(page + 1, "Later") : undefined}</span>`;
}
