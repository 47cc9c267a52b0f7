import { bar, keyText, link, toned, utc } from "#shared/web/cells.ts";
import { html } from "#shared/web/html.ts";
import { type Table, table } from "#shared/web/table.ts";
import type { GrantOverview, HoldingOverview } from "../../store/inspection/holdings.ts";
import { holdingPath, nodePath, principalPath, sitePath } from "../addresses.ts";

/** What the agent was given to split, and what is used of it. */
export function holdingTable(holdings: readonly HoldingOverview[]): Table {
  return table<HoldingOverview>({
    ...{ id: "holdings", title: "Holdings", empty: "Nothing is held.", rows: holdings },
    columns: [
      {
        ...{ key: "holding", title: "Holding", value: ({ id }) => id },
        show: ({ id }) => link(holdingPath(id), keyText(id)),
      },
      { key: "ip", title: "Node", value: ({ ip }) => ip, show: ({ ip, node }) => link(nodePath(node), ip) },
      {
        ...{ key: "site", title: "Site", value: ({ site }) => site ?? undefined },
        show: ({ site }) => (site === null ? undefined : link(sitePath(site), site)),
      },
      {
        ...{ key: "from", title: "Given by", value: ({ from, issuer }) => from ?? issuer },
        show: ({ from, issuer, depth }) =>
          html`${from ?? keyText(issuer)}<small>${depth === 0 ? "its node" : "another agent"}</small>`,
      },
      {
        ...{ key: "state", title: "State", value: stateOf },
        show: (holding) => toned(holding.replaced ? "plain" : "good", stateOf(holding)),
      },
      {
        ...{ key: "charged", title: "Slivers now", value: ({ charged }) => charged },
        show: ({ charged, slivers }) => html`${charged} / ${slivers}${bar(charged, slivers)}`,
      },
      { key: "memory_mib", title: "Memory (MiB)", value: ({ memoryMib }) => memoryMib },
      { key: "splits", title: "Splits", value: ({ splits }) => splits },
      {
        key: "start",
        title: "From",
        time: true,
        value: ({ start }) => start,
        show: ({ start }) => utc(start),
      },
      { key: "end", title: "Until", time: true, value: ({ end }) => end, show: ({ end }) => utc(end) },
    ],
  });
}

function stateOf({ replaced }: HoldingOverview): string {
  return replaced ? "renewed by a later one" : "in use";
}

/** What is handed on to other agents. */
export function grantTable(grants: readonly GrantOverview[]): Table {
  return table<GrantOverview>({
    ...{ id: "grants", title: "Handed on", empty: "Nothing is handed on to other agents.", rows: grants },
    columns: [
      {
        ...{ key: "grant", title: "Holding", value: ({ id }) => id },
        show: ({ id }) => keyText(id),
      },
      { key: "ip", title: "Node", value: ({ ip }) => ip, show: ({ ip, node }) => link(nodePath(node), ip) },
      {
        ...{ key: "to", title: "To", value: ({ label, holder }) => label ?? holder },
        show: ({ label, holder }) => link(principalPath(holder), label ?? keyText(holder)),
      },
      { key: "state", title: "State", value: ({ state }) => state },
      { key: "slivers", title: "Slivers", value: ({ slivers }) => slivers },
      { key: "memory_mib", title: "Memory (MiB)", value: ({ memoryMib }) => memoryMib },
      { key: "beneath", title: "Leases beneath", value: ({ beneath }) => beneath ?? undefined },
      {
        ...{ key: "of", title: "Split from", value: ({ holding }) => holding },
        show: ({ holding }) => link(holdingPath(holding), keyText(holding)),
      },
      { key: "end", title: "Until", time: true, value: ({ end }) => end, show: ({ end }) => utc(end) },
    ],
  });
}
