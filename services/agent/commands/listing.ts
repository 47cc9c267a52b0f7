import { type Command, Option } from "commander";

export type Cell = string | number | boolean | null;

/** Adds how a list is printed: as a table for people, or as JSON. */
export function addOutput(command: Command): Command {
  return command.addOption(
    new Option("-o, --output <format>", "how to print").choices(["table", "json"]).default("table"),
  );
}

/** A list in the format that `addOutput` read. */
export function listingText<Row>(
  format: string,
  rows: readonly Row[],
  columns: readonly string[],
  cells: (row: Row) => readonly Cell[],
): string {
  if (format === "json") return `${JSON.stringify(rows, null, 2)}\n`;
  return table([[...columns], ...rows.map((row) => cells(row).map((cell) => String(cell ?? "–")))]);
}

/** Columns as wide as their widest cell. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join("  ")
      .trimEnd(),
  );
  return `${lines.join("\n")}\n`;
}
