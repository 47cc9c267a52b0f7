import { chartIds, type Page, tablesOf } from "./page.ts";
import type { Route } from "./route.ts";
import type { Table } from "./table.ts";
import { filterName } from "./table-query.ts";
import { mayRead, type Viewer } from "./viewer.ts";

/** A JSON Schema, or what OpenAPI has around one. */
type Schema = Readonly<Record<string, unknown>>;

export type ApiOf = {
  /** "Slicelab agent". */
  readonly service: string;
  readonly routes: readonly Route[];
  readonly metrics: boolean;
};

const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
const TEXT: Schema = { type: "string" };
const COUNT: Schema = { type: "integer", minimum: 0 };

/** What every description has: what stands in a cell, and pages whose parts are not known beforehand. */
const SCHEMAS: Readonly<Record<string, Schema>> = {
  Cell: { description: "Null: not known.", type: ["string", "number", "null"] },
  Fact: {
    description: "Null: not known.",
    anyOf: [{ type: ["string", "number", "null"] }, { type: "array", items: TEXT }],
  },
  Row: { type: "object", additionalProperties: ref("Cell") },
  Table: tableSchema(ref("Row")),
  Chart: {
    type: "object",
    required: ["title", "unit", "series"],
    properties: {
      ...{ title: TEXT, unit: TEXT },
      whole: { type: "number", description: "What there is at most." },
      series: {
        type: "object",
        additionalProperties: {
          type: "object",
          required: ["title", "spans"],
          properties: { title: TEXT, spans: { type: "array", items: ref("Span") } },
          additionalProperties: false,
        },
      },
    },
    additionalProperties: false,
  },
  Span: {
    description: "Start and end, in seconds since 1970, and the mean between them.",
    ...{ type: "array", items: { type: "number" }, minItems: 3, maxItems: 3 },
  },
  Page: pageSchema(),
};

function tableSchema(row: Schema): Schema {
  return {
    type: "object",
    required: ["total", "matching", "page", "pages", "rows"],
    properties: {
      total: { ...COUNT, description: "How many rows there are." },
      matching: { ...COUNT, description: "How many of them the filters let through." },
      page: { type: "integer", minimum: 1 },
      pages: { type: "integer", minimum: 1 },
      rows: { type: "array", items: row, description: "Those of this page." },
    },
    additionalProperties: false,
  };
}

function rowSchema({ columns }: Table): Schema {
  const cell = ({ title, time }: Table["columns"][number]): Schema =>
    time ? { title, type: ["string", "null"], description: "UTC." } : { title, ...ref("Cell") };
  return {
    type: "object",
    required: columns.map(({ key }) => key),
    properties: Object.fromEntries(columns.map((column) => [column.key, cell(column)])),
    additionalProperties: false,
  };
}

/** What is there now is described; a part that comes later is one of its kind. */
function pageSchema(page?: Page): Schema {
  const facts = (page?.facts ?? []).map(({ key, title }) => [key, { title, ...ref("Fact") }]);
  const tables = (page ? tablesOf(page) : []).map((table) => [
    table.id,
    { title: table.title, ...tableSchema(rowSchema(table)) },
  ]);
  const charts = (page ? chartIds(page) : []).map((id) => [id, ref("Chart")]);
  const object = (properties: readonly unknown[][], others: string): Schema => ({
    type: "object",
    properties: Object.fromEntries(properties),
    additionalProperties: ref(others),
  });
  return {
    type: "object",
    required: ["title", "as_of", "notices", "tables", ...facts.map(([key]) => key)],
    properties: {
      ...{ title: TEXT, as_of: { ...TEXT, description: "UTC." }, notices: { type: "array", items: TEXT } },
      ...Object.fromEntries(facts),
      tables: object(tables, "Table"),
      charts: object(charts, "Chart"),
    },
    additionalProperties: ref("Fact"),
  };
}

/**
 * An OpenAPI 3.1 description of what `viewer` may read: of each route its page as it is now, or, where none can be shown
 * for an example, that it is a page.
 */
export async function openApi({ service, routes, metrics }: ApiOf, viewer: Viewer): Promise<object> {
  const readable = routes.filter(({ audience }) => mayRead(viewer, audience));
  const paths = await Promise.all(readable.map((route) => pathOf(route, viewer)));
  return {
    openapi: "3.1.0",
    info: {
      ...{ title: service, version: "1" },
      description: "To be read and nothing else. Each page for people is there as JSON.",
    },
    servers: [{ url: "/" }],
    paths: {
      ...Object.fromEntries(paths),
      ...plainPath("/health", "Whether the process answers"),
      ...plainPath("/ready", "Whether it can do its work", { 503: { description: "It cannot; why." } }),
      ...(metrics
        ? plainPath("/metrics", "Numbers, as OpenMetrics", {}, "application/openmetrics-text")
        : {}),
      "/events": events(),
    },
    components: { schemas: SCHEMAS },
  };
}

async function pathOf(route: Route, viewer: Viewer): Promise<readonly [string, Schema]> {
  const { path, link, audience = "public" } = route;
  const names = path.split("/").flatMap((part) => (part.startsWith(":") ? [part.slice(1)] : []));
  const example = names.length === 0 ? {} : await route.example?.(viewer);
  const page = example && (await route.page(example, viewer));
  const written = path === "/" ? "/index" : path.replaceAll(/:(\w+)/g, "{$1}");
  const operation = {
    summary: link ?? page?.title.split(" ")[0] ?? written,
    description: audience === "public" ? "For everybody." : `For those with a certificate: ${audience}.`,
    parameters: [
      ...names.map((name) => pathParameter(name, example?.[name])),
      ...(page ? tablesOf(page).flatMap(queryParameters) : []),
    ],
    responses: {
      200: { description: "The page.", ...json(page ? pageSchema(page) : ref("Page")) },
      ...(audience !== "public" && { 403: { description: "Not for you.", ...json(ref("Page")) } }),
      ...(names.length > 0 && { 404: { description: "There is no such thing.", ...json(ref("Page")) } }),
      503: { description: "It cannot be told just now." },
    },
  };
  return [`${written}.json`, { get: operation }];
}

function json(schema: Schema): Schema {
  return { content: { "application/json": { schema } } };
}

function pathParameter(name: string, example: string | undefined): Schema {
  return { name, in: "path", required: true, schema: TEXT, ...(example !== undefined && { example }) };
}

function queryParameters({ id, title, columns }: Table): Schema[] {
  const query = (name: string, description: string, schema: Schema) => {
    return { name, in: "query", required: false, description, schema };
  };
  const sorts = columns.flatMap(({ key }) => [key, `-${key}`]);
  return [
    query(`${id}.sort`, `${title} by a column; with -, from the top.`, { enum: sorts }),
    query(`${id}.page`, `Which hundred rows of ${title}.`, { type: "integer", minimum: 1 }),
    ...columns.map((column) => {
      const what = `Only rows whose ${column.title} has this in it; > 5, <= 5, = x compare; - is what is not known.`;
      return query(filterName(id, column.key), what, TEXT);
    }),
  ];
}

function plainPath(path: string, summary: string, more: object = {}, type = "text/plain"): Schema {
  const ok = { description: summary, content: { [type]: { schema: TEXT } } };
  return { [path]: { get: { summary, responses: { 200: ok, ...more } } } };
}

function events(): Schema {
  const parameters = [
    { name: "page", in: "query", required: true, schema: TEXT, description: "/nodes?nodes.sort=load" },
  ];
  const ok = {
    description: "Server-sent events: parts, gone, away. For browsers: parts are HTML.",
    content: { "text/event-stream": { schema: TEXT } },
  };
  const responses = { 200: ok, 400: { description: "No page." }, 503: { description: "Too many look on." } };
  return { get: { summary: "What changes on a page", parameters, responses } };
}
