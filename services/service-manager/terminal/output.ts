import { type Column, jsonText, listingTable } from "#shared/runtime/listing.ts";
import { printable, printableLines, printableStrings } from "#shared/runtime/printable.ts";

/** How data is shown: for people, or for programs. */
export const FORMATS = ["table", "wide", "json", "yaml", "name"] as const;
export type Format = (typeof FORMATS)[number];

/** What can be shown of some rows, in every format. */
export type Listing<T> = {
  readonly rows: readonly T[];
  readonly columns: readonly Column<T>[];
  /** What `-o name` prints, one a line. */
  readonly name: (row: T) => string;
  /** What `-o json` and `-o yaml` print: by default the list of `member`s. */
  readonly member: (row: T) => object;
  readonly document?: object;
};

/** The text of a listing in a format, with its last newline. */
export async function formatListing<T>(format: Format, listing: Listing<T>): Promise<string> {
  switch (format) {
    case "json":
      return jsonText(documentOf(listing));
    case "yaml":
      return printableYaml((await import("yaml")).stringify, documentOf(listing));
    case "name":
      return listing.rows.map((row) => `${printable(listing.name(row))}\n`).join("");
    case "table":
    case "wide":
      return listingTable(listing.rows, listing.columns, format === "wide");
    default:
      return format satisfies never;
  }
}

function documentOf<T>({ document, rows, member }: Listing<T>): object {
  return document ?? rows.map(member);
}

function printableYaml(stringify: typeof import("yaml").stringify, document: object): string {
  const text = stringify(document);
  if (printableLines(text) === text) return text;
  const quoted = { defaultStringType: "QUOTE_DOUBLE", defaultKeyType: "QUOTE_DOUBLE" } as const;
  return printableStrings(stringify(document, quoted));
}

/** How identities are shown to people: enough digits to tell them apart, and to be given to `--nodes`. */
export function shortName(name: string): string {
  return name.slice(0, 12);
}
