import { keyText, toned, utc } from "#shared/web/cells.ts";
import { type Html, html } from "#shared/web/html.ts";
import { type Table, table } from "#shared/web/table.ts";
import type { AuditEntryShown, StrangerRefusal } from "../../store/inspection/principals.ts";
import { whoOf, whoShown } from "./who.ts";

/** What was done, the latest first. */
export function auditTable(entries: readonly AuditEntryShown[], title: string, ofOne = false): Table {
  return table<AuditEntryShown>({
    ...{ id: "audit", title, empty: "Nothing was written down.", rows: entries },
    columns: [
      {
        key: "at",
        title: "At",
        time: true,
        value: ({ at }) => Math.floor(at),
        show: ({ at }) => utc(Math.floor(at)),
      },
      ...(ofOne ? [] : [{ key: "who", title: "Who", value: whoOf, show: whoShown }]),
      { key: "method", title: "What", value: ({ method }: AuditEntryShown) => method },
      {
        ...{ key: "outcome", title: "Outcome", value: ({ outcome }: AuditEntryShown) => outcome },
        show: ({ outcome }: AuditEntryShown) => toned(outcome === "ok" ? "good" : "bad", outcome),
      },
      {
        ...{ key: "detail", title: "Of what", value: detailText },
        show: (entry: AuditEntryShown) => html`<span class="long">${shortened(detailText(entry))}</span>`,
      },
      {
        ...{ key: "position", title: "Place in the chain" },
        value: ({ position }: AuditEntryShown) => position ?? undefined,
      },
    ],
  });
}

/** `{"slice": "dns", "tickets": 2, "site": null}` as "slice dns, tickets 2". */
function detailText({ detail }: AuditEntryShown): string {
  const said = JSON.parse(detail) as Record<string, unknown>;
  return Object.entries(said)
    .filter(([, value]) => value !== null && value !== "" && !(Array.isArray(value) && value.length === 0))
    .map(([key, value]) => `${key} ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
}

const NAME = /\b([0-9a-f]{64})\b/;

/** Names of 64 digits say no more than their beginnings to whoever reads line by line. */
function shortened(text: string): Html[] {
  return text.split(NAME).map((part) => (NAME.test(part) ? keyText(part) : html`${part}`));
}

/** How often strangers were refused: they are counted, not named. */
export function strangerTable(refusals: readonly StrangerRefusal[]): Table {
  return table<StrangerRefusal>({
    ...{ id: "strangers", title: "Strangers that were refused", empty: "None were.", rows: refusals },
    columns: [
      { key: "day", title: "Day", value: ({ day }) => day },
      { key: "method", title: "Method", value: ({ method }) => method },
      { key: "outcome", title: "Why", value: ({ outcome }) => outcome },
      { key: "times", title: "Times", value: ({ times }) => times },
    ],
  });
}
