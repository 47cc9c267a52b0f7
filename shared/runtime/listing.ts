import { Option } from "commander";
import { printable, printableStrings } from "./printable.ts";

/** One column of a table; `wide` and `narrow` ones are shown only with, or only without, `-o wide`. */
export type Column<Row> = {
  readonly header: string;
  /** What is nothing, or nothing to read, is shown as a dash. */
  readonly value: (row: Row) => string | number | null;
  readonly wide?: true;
  readonly narrow?: true;
};

/** How a list is printed: for people, or for programs. */
export function outputOption(formats: readonly string[] = ["table", "json"]): Option {
  return new Option("-o, --output <format>", "how to print").choices(formats).default("table");
}

/** Rows as `-o table`, `wide` or `json` shows them, with the last newline. */
export function listingText<Row>(
  format: string,
  rows: readonly Row[],
  columns: readonly Column<Row>[],
): string {
  return format === "json" ? jsonText(rows) : listingTable(rows, columns, format === "wide");
}

/** A value as `-o json` shows it. */
export function jsonText(value: unknown): string {
  return `${printableStrings(JSON.stringify(value, undefined, 2))}\n`;
}

/** A line for each row, below the headers. */
export function listingTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  isWide: boolean,
): string {
  const shown = columns.filter(({ wide, narrow }) => (isWide ? !narrow : !wide));
  return textTable([
    shown.map(({ header }) => header),
    ...rows.map((row) => shown.map(({ value }) => String(value(row) ?? "") || "-")),
  ]);
}

/** Cells below each other: columns as wide as their widest cell, and nothing in them that a terminal obeys. */
export function textTable(rows: readonly (readonly string[])[]): string {
  const lines = rows.map((row) => row.map(printable));
  const widths = lines[0]?.map((_, at) => Math.max(...lines.map((line) => line[at]!.length))) ?? [];
  return lines
    .map((line) => line.map((cell, at) => cell.padEnd(widths[at]!)).join("  "))
    .map((line) => `${line.trimEnd()}\n`)
    .join("");
}
