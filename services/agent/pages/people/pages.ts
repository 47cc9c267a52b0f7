import type { Instant } from "#shared/model/time.ts";
import { keyText, link, note, toned, utc } from "#shared/web/cells.ts";
import { html } from "#shared/web/html.ts";
import type { Page } from "#shared/web/page.ts";
import type { SliceOverview } from "../../store/inspection/overview.ts";
import type {
  AuditEntryShown,
  HeldPrivilege,
  PrincipalOverview,
  QuotaUse,
  StrangerRefusal,
} from "../../store/inspection/principals.ts";
import type { TicketOverview } from "../../store/inspection/tickets.ts";
import { sitePath } from "../addresses.ts";
import { ticketTable } from "../books/ticket-table.ts";
import { sliceTable } from "../slice-table.ts";
import { auditTable, strangerTable } from "./audit-table.ts";
import { principalTable, standingOf } from "./principal-table.ts";
import { privilegeTable, quotaTable } from "./privilege-tables.ts";

/** Everything an agent keeps of one principal. */
export type PrincipalFile = {
  readonly now: Instant;
  readonly principal: PrincipalOverview;
  readonly privileges: readonly HeldPrivilege[];
  readonly quotas: readonly QuotaUse[];
  readonly slices: readonly SliceOverview[];
  readonly tickets: readonly TicketOverview[];
  readonly entries: readonly AuditEntryShown[];
};

/** What its principal and administrators see of a principal. */
export function principalPage(file: PrincipalFile): Page {
  const { now, principal, privileges, quotas, slices, tickets, entries } = file;
  const { name, sha1, label, role, site, suspended, added } = principal;
  const standing = standingOf(principal);
  const used = quotas.filter((quota) => quota.used !== null && quota.used >= quota.most);
  return {
    title: label,
    now,
    lead: html`<code>${name}</code>`,
    notices: [
      ...(suspended
        ? ["Suspended: nothing new is issued. What there is goes on. Ask an administrator why."]
        : []),
      ...used.map((quota) => `The quota of ${quota.most} ${quota.what} (${quota.site ?? label}) is used up.`),
    ],
    facts: [
      { key: "principal", title: "Name of the key", value: name, show: keyText(name) },
      { key: "sha1", title: "In version 0.5", value: sha1, show: keyText(sha1) },
      { key: "role", title: "Role", value: role },
      {
        ...{ key: "site", title: "Site", value: site ?? undefined },
        show: site === null ? "–" : link(sitePath(site), site),
      },
      {
        key: "standing",
        title: "Standing",
        value: standing,
        show: toned(suspended ? "bad" : "good", standing),
      },
      { key: "slices", title: "Slices now", value: slices.length },
      {
        ...{ key: "slivers", title: "Slivers now", value: principal.slivers },
        show: html`${principal.slivers}${note(`${tickets.filter(({ state }) => state === "redeemed").length} leases`)}`,
      },
      { key: "added", title: "Added", value: utc(Math.floor(added)) },
    ],
    parts: [
      sliceTable(slices),
      quotaTable(quotas),
      privilegeTable(privileges),
      ticketTable(tickets),
      auditTable(entries, "What was done with this key", true),
    ],
  };
}

export function principalsPage(
  now: Instant,
  principals: readonly PrincipalOverview[],
  quotas: readonly QuotaUse[],
): Page {
  return { title: "Principals", now, parts: [principalTable(principals), quotaTable(quotas)] };
}

export function auditPage(
  now: Instant,
  entries: readonly AuditEntryShown[],
  strangers: readonly StrangerRefusal[],
): Page {
  const lead = html`The latest ${entries.length} rows. <code>slicelab admin audit verify</code> checks that none was changed.`;
  return {
    title: "Audit",
    now,
    lead,
    parts: [auditTable(entries, "What was done"), strangerTable(strangers)],
  };
}
