import { parseInstant } from "#shared/model/time.ts";
import { keyText, toned, utc } from "#shared/web/cells.ts";
import { html } from "#shared/web/html.ts";
import type { Page } from "#shared/web/page.ts";
import { table } from "#shared/web/table.ts";
import type { ChainedRow } from "#shared/wire/audit-chain.ts";
import type { OverviewDeps } from "./overview.ts";

const SHOWN = 1000;
const SECONDS = "YYYY-MM-DD HH:MM:SS".length;

/** What was asked of the node and done on it, the latest first: for its administrators. */
export function auditPage({ store, self, now }: OverviewDeps): Page {
  const rows = store.audit.latest(SHOWN).reverse();
  const head = store.audit.head();
  const signed = store.audit.latestHead();
  return {
    title: "Audit",
    now: now(),
    lead: html`The latest ${SHOWN} rows of node ${self.ip}; <code>slicelab node audit</code> has all, and verifies them`,
    facts: [
      { key: "position", title: "Rows of what was done", value: head.position },
      {
        ...{ key: "signed", title: "Signed up to", value: signed?.position ?? 0 },
        show: signed ? html`${signed.position}, at ${signed.sealed} UTC` : "nothing yet",
      },
    ],
    parts: [
      table<ChainedRow>({
        ...{ id: "audit", title: "Audit", empty: "Nothing was written down.", rows },
        columns: [
          {
            ...{ key: "at", title: "At", time: true, value: ({ at }) => secondOf(at) },
            show: ({ at }) => utc(secondOf(at)),
          },
          {
            ...{ key: "who", title: "Who", value: ({ who }) => who },
            show: ({ who }) => (isKey(who) ? keyText(who) : who),
          },
          { key: "method", title: "What", value: ({ method }) => method },
          {
            ...{ key: "outcome", title: "Outcome", value: ({ outcome }) => outcome },
            show: ({ outcome }) => toned(outcome === "done" ? "good" : "bad", outcome),
          },
          {
            ...{ key: "detail", title: "Of what", value: detailText },
            show: (row) => html`<span class="long">${detailText(row)}</span>`,
          },
          { key: "position", title: "Place in the chain", value: ({ position }) => position || undefined },
        ],
      }),
    ],
  };
}

function secondOf(at: string): number {
  return parseInstant(at.slice(0, SECONDS));
}

function isKey(who: string): boolean {
  return /^[0-9a-f]{64}$/.test(who);
}

/** `{"slice": "dns", "lease": "5f…"}` as "slice dns, lease 5f…". */
function detailText({ detail }: ChainedRow): string {
  return Object.entries(JSON.parse(detail) as Record<string, unknown>)
    .map(([key, value]) => `${key} ${value}`)
    .join(", ");
}
