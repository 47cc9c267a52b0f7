import { formatInstant } from "../model/time.ts";
import { type Content, Html } from "./html.ts";
import { type TableQuery, tableQuery } from "./table-query.ts";

/** What a column sorts and filters by, and what JSON has of it. */
export type Value = string | number | undefined;

export type Column<Row> = {
  /** In JSON and in the query string. */
  readonly key: string;
  readonly title: string;
  readonly value: (row: Row) => Value;
  /** What a page has of it; else the value. */
  readonly show?: (row: Row) => Content;
  /** Its value is an Instant. */
  readonly time?: boolean;
};

/** A table before anybody has chosen how to see it. */
export type Table = {
  readonly id: string;
  readonly title: string;
  /** What to say where there is no row at all. */
  readonly empty: string;
  readonly columns: readonly {
    readonly key: string;
    readonly title: string;
    readonly numeric: boolean;
    readonly time: boolean;
  }[];
  /** Rows that match, sorted, of one page. */
  select(parameters: URLSearchParams): Selection;
};

export type Selection = {
  readonly query: TableQuery;
  readonly total: number;
  readonly matching: number;
  /** From 1; how many there are. */
  readonly page: number;
  readonly pages: number;
  readonly rows: readonly SelectedRow[];
};

type SelectedRow = { readonly cells: readonly Content[]; readonly json: Readonly<Record<string, unknown>> };

type TableOf<Row> = {
  readonly id: string;
  readonly title: string;
  readonly empty: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  /** How many rows a page of it has. */
  readonly pageRows?: number;
};

const PAGE_ROWS = 100;

/** A table of which every column sorts and filters. */
export function table<Row>(of: TableOf<Row>): Table {
  const { id, title, empty, columns, rows, pageRows = PAGE_ROWS } = of;
  return {
    ...{ id, title, empty },
    columns: columns.map((column) => ({
      key: column.key,
      title: column.title,
      time: column.time === true,
      numeric: !column.time && rows.some((row) => typeof column.value(row) === "number"),
    })),
    select(parameters) {
      const query = tableQuery(parameters, id, columns);
      const matching = sorted(filtered(rows, columns, query), columns, query);
      const pages = Math.max(1, Math.ceil(matching.length / pageRows));
      const page = Math.min(query.page, pages);
      const shown = matching.slice((page - 1) * pageRows, page * pageRows);
      return {
        ...{ query, page, pages, total: rows.length, matching: matching.length },
        rows: shown.map((row) => selectedRow(row, columns)),
      };
    },
  };
}

function selectedRow<Row>(row: Row, columns: readonly Column<Row>[]): SelectedRow {
  return {
    cells: columns.map((column) => shown(column, row)),
    json: Object.fromEntries(columns.map((column) => [column.key, written(column, row) ?? null])),
  };
}

function shown<Row>(column: Column<Row>, row: Row): Content {
  const content = column.show ? column.show(row) : written(column, row);
  return content === undefined || content === "" ? "–" : content;
}

/** A value as people and JSON have it: times as text. */
function written<Row>({ value, time }: Column<Row>, row: Row): Value {
  const is = value(row);
  return time && typeof is === "number" ? formatInstant(is) : is;
}

function filtered<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { filters }: TableQuery,
): readonly Row[] {
  const asked = columns.flatMap((column) => {
    const filter = filters.get(column.key);
    return filter === undefined ? [] : [{ column, matches: matcher(filter) }];
  });
  if (asked.length === 0) return rows;
  return rows.filter((row) =>
    asked.every(({ column, matches }) => matches(written(column, row), plainText(shown(column, row)))),
  );
}

const COMPARISON = /^(<=|>=|<|>|=)\s*(.+)$/;

/** "text" is part of it, in whatever case; "> 5", "<= 5", "= x" compare; "-" is what is not known. */
function matcher(filter: string): (value: Value, text: string) => boolean {
  if (filter === "-" || filter === "–") return (value) => value === undefined || value === "";
  const [, operator, operand] = COMPARISON.exec(filter) ?? [];
  if (operator !== undefined && operand !== undefined) {
    return (value) => value !== undefined && holds(operator, compared(value, operand));
  }
  const wanted = filter.toLowerCase();
  return (value, text) =>
    `${value ?? ""}`.toLowerCase().includes(wanted) || text.toLowerCase().includes(wanted);
}

function compared(value: string | number, operand: string): number {
  if (typeof value === "number") return value - Number(operand);
  return value === operand ? 0 : ORDER.compare(value, operand);
}

/** Of what cannot be compared (NaN) nothing holds. */
function holds(operator: string, difference: number): boolean {
  if (operator === "=") return difference === 0;
  if (operator.endsWith("=") && difference === 0) return true;
  return operator.startsWith("<") ? difference < 0 : difference > 0;
}

/** What a reader sees of a cell: filters look there too. */
function plainText(content: Content): string {
  if (content instanceof Html) return content.text.replace(/<[^>]*>/g, " ");
  return typeof content === "object" ? "" : String(content ?? "");
}

/** 10.0.0.9 comes before 10.0.0.10. */
const ORDER = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/** What is not known comes last, whichever way it is sorted. */
function sorted<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { sort, descending }: TableQuery,
): readonly Row[] {
  const column = columns.find(({ key }) => key === sort);
  if (column === undefined) return rows;
  const sign = descending ? -1 : 1;
  return rows
    .map((row) => ({ row, value: column.value(row) }))
    .sort((one, other) => {
      if (one.value === undefined || other.value === undefined) {
        return Number(one.value === undefined) - Number(other.value === undefined);
      }
      return sign * order(one.value, other.value);
    })
    .map(({ row }) => row);
}

function order(one: string | number, other: string | number): number {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return ORDER.compare(String(one), String(other));
}
