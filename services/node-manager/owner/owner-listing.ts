import { printable, printableStrings } from "#shared/runtime/printable.ts";

/** One column of a table; `wide` and `narrow` ones are shown only with, or only without, `-o wide`. */
export type ListingColumn<Row> = {
  readonly header: string;
  readonly value: (row: Row) => string;
  readonly wide?: true;
  readonly narrow?: true;
};

/** Rows as `-o table`, `wide` or `json` shows them. */
export function listingText<Row>(
  format: string,
  rows: readonly Row[],
  columns: readonly ListingColumn<Row>[],
): string {
  if (format === "json") return `${printableStrings(JSON.stringify(rows, undefined, 2))}\n`;
  const shown = columns.filter(({ wide, narrow }) => (format === "wide" ? !narrow : !wide));
  const lines = [
    shown.map(({ header }) => header),
    ...rows.map((row) => shown.map(({ value }) => printable(value(row)) || "-")),
  ];
  const widths = shown.map((_, index) => Math.max(...lines.map((line) => line[index]!.length)));
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, index) => cell.padEnd(widths[index]!))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}
