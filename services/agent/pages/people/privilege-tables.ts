import { formatLength } from "#shared/model/time.ts";
import { bar, link, toned, utc } from "#shared/web/cells.ts";
import { html } from "#shared/web/html.ts";
import { type Table, table } from "#shared/web/table.ts";
import type { HeldPrivilege, QuotaUse } from "../../store/inspection/principals.ts";
import { sitePath } from "../addresses.ts";

/** What a principal may ask for. */
export function privilegeTable(privileges: readonly HeldPrivilege[]): Table {
  return table<HeldPrivilege>({
    ...{ id: "privileges", title: "Privileges", rows: privileges },
    empty: "None: nothing is issued. An administrator of this agent grants them.",
    columns: [
      { key: "type", title: "Slices", value: ({ type }) => type },
      { key: "nodes", title: "Nodes of one slice", value: ({ nodes }) => nodes },
      {
        ...{ key: "lease_seconds", title: "Longest lease", value: ({ leaseSeconds }) => leaseSeconds },
        show: ({ leaseSeconds }) => formatLength(leaseSeconds),
      },
      {
        ...{
          key: "renewable_seconds",
          title: "Renewable for",
          value: ({ renewableSeconds }) => renewableSeconds,
        },
        show: ({ renewableSeconds }) => formatLength(renewableSeconds),
      },
      {
        ...{ key: "until", title: "Until", time: true },
        value: ({ until }) => (Number.isFinite(until) ? until : undefined),
        show: ({ until }) => (Number.isFinite(until) ? utc(until) : "no end"),
      },
      {
        ...{
          key: "capabilities",
          title: "Capabilities",
          value: ({ capabilities }) => capabilities.join(" "),
        },
        show: ({ capabilities }) =>
          capabilities.length === 0 ? undefined : html`<span class="long">${capabilities.join(" ")}</span>`,
      },
      { key: "id", title: "Number", value: ({ id }) => id },
    ],
  });
}

/** From this part of a quota on it is said in another colour. */
const NEARLY = 0.8;

/** Quotas, a row for each limit, and how much of it is used. */
export function quotaTable(uses: readonly QuotaUse[]): Table {
  return table<QuotaUse>({
    ...{ id: "quotas", title: "Quotas", empty: "Nothing is limited by a quota.", rows: uses },
    columns: [
      {
        ...{ key: "of", title: "Whose", value: ({ principal, site }) => principal ?? site ?? undefined },
        show: ({ principal, site }) =>
          site === null
            ? (principal ?? undefined)
            : html`${link(sitePath(site), site)}<small>all of the site</small>`,
      },
      { key: "what", title: "What", value: ({ what }) => what },
      {
        ...{ key: "used", title: "Used", value: ({ used }) => used ?? undefined },
        show: ({ used, most }) => {
          if (used === null) return "each by itself";
          const tone = used >= most ? "bad" : used >= most * NEARLY ? "warn" : "plain";
          return html`${toned(tone, used)}${bar(used, most)}`;
        },
      },
      { key: "most", title: "At most", value: ({ most }) => most },
    ],
  });
}
