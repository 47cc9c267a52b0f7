import { formatInstant } from "#shared/model/time.ts";
import type { AuditRow } from "#shared/wire/audit-chain.ts";

/** A row of the audit's table. */
export type AuditRecord = {
  readonly number: number;
  readonly atMilliseconds: number;
  readonly peer: string;
  readonly action: string;
  readonly outcome: string;
  readonly slice: string | null;
  readonly lease: string | null;
  readonly ticket: string | null;
  readonly note: string | null;
};

export const AUDIT_COLUMNS =
  "number, at_milliseconds as atMilliseconds, peer, action, outcome, slice, lease, ticket, note";

/** What of a row is chained: all of it. */
export function auditContent(record: AuditRecord): AuditRow {
  const { number, atMilliseconds, peer, action, outcome, slice, lease, ticket, note } = record;
  const fraction = String(atMilliseconds % 1000).padStart(3, "0");
  const said = Object.entries({ slice, lease, ticket, note }).filter(([, value]) => value !== null);
  return {
    id: number,
    at: `${formatInstant(Math.floor(atMilliseconds / 1000))}.${fraction}000`,
    ...{ who: peer, method: action, outcome, detail: JSON.stringify(Object.fromEntries(said)) },
  };
}
