import { keyText, note, toned } from "#shared/web/cells.ts";
import { html } from "#shared/web/html.ts";
import type { Page } from "#shared/web/page.ts";
import { type Table, table } from "#shared/web/table.ts";
import type { StoredLease } from "../store/lease-rows.ts";
import { suspensionSentence } from "../store/suspension-rows.ts";
import { wholeBanTable } from "./bans.ts";
import { coded, keyed, time } from "./columns.ts";
import { stateOf } from "./lease-state.ts";
import type { OverviewDeps } from "./overview.ts";

/** What runs on the node, whose it is, and whom its owner does not want: for its administrators. */
export function sliverPage(deps: OverviewDeps): Page {
  const { store, self, now } = deps;
  const leases = store.leases.all();
  return {
    title: "Slivers and their principals",
    now: now(),
    lead: html`On node ${self.ip}`,
    facts: [
      { key: "slivers", title: "Leases", value: leases.length },
      {
        ...{ key: "principals", title: "Principals" },
        value: new Set(leases.map(({ principal }) => principal)).size,
      },
    ],
    parts: [sliverTable(leases, deps), wholeBanTable(store.bans.all())],
  };
}

function sliverTable(rows: readonly StoredLease[], { store, conditions }: OverviewDeps): Table {
  const { suspensions, members } = store;
  const why = ({ serial }: StoredLease) => {
    const condition = conditions.of(serial);
    const trouble = condition && !condition.ready ? condition.reason : "";
    return suspensionSentence(suspensions.of(serial)) ?? trouble;
  };
  const isWell = (lease: StoredLease) => stateOf(lease, suspensions) === "live";
  return table<StoredLease>({
    ...{ id: "slivers", title: "Slivers", empty: "Nothing is leased.", rows },
    columns: [
      { key: "slice", title: "Slice", value: ({ slice }) => slice },
      {
        ...{ key: "state", title: "State", value: (lease) => stateOf(lease, suspensions) },
        show: (lease) =>
          html`${toned(isWell(lease) ? "good" : "warn", stateOf(lease, suspensions))}${note(why(lease))}`,
      },
      keyed("principal", "Principal", ({ principal }) => principal),
      {
        ...{ key: "members", title: "Members", value: ({ serial }) => members.of(serial).join(" ") },
        show: ({ serial }) => members.of(serial).map((name) => html`${keyText(name)} `),
      },
      coded("sliver", "Sliver", ({ sliver }) => sliver),
      { key: "engine", title: "Engine", value: ({ engine }) => engine },
      coded("serial", "Lease", ({ serial }) => serial),
      time("from", "From", ({ term }) => term.start),
      time("until", "Until", ({ term }) => term.end),
      time("renewable_until", "Renewable until", ({ renewableUntil }) => renewableUntil),
    ],
  });
}
