import type { KeyName } from "#shared/identity/key.ts";
import { formatInstant } from "#shared/model/time.ts";
import { keyText, utc } from "#shared/web/cells.ts";
import { type Table, table } from "#shared/web/table.ts";
import type { Ban } from "../store/ban-rows.ts";
import type { StoredLease } from "../store/lease-rows.ts";
import { time } from "./columns.ts";

/**
 * Whom the node's owner does not want, for everybody: slices by name, principals only counted, like whose leases are;
 * the owner's reasons are told to those they are about.
 */
export function banTable(bans: readonly Ban[]): Table {
  const slices = bans.filter(({ kind }) => kind === "slice");
  return table<Ban>({
    ...{ id: "bans", title: "Banned slices", rows: slices },
    empty: "None.",
    columns: [
      { key: "slice", title: "Slice", value: ({ name }) => name },
      {
        ...{ key: "since", title: "Banned since", time: true, value: ({ since }) => since },
        show: ({ since }) => utc(since),
      },
    ],
  });
}

/** The same for the node's administrators: everybody, and the owner's reasons. */
export function wholeBanTable(bans: readonly Ban[]): Table {
  return table<Ban>({
    ...{ id: "bans", title: "Whom the node's owner has banned", empty: "Nobody.", rows: bans },
    columns: [
      { key: "kind", title: "What", value: ({ kind }) => kind },
      {
        ...{ key: "name", title: "Name", value: ({ name }) => name },
        show: ({ kind, name }) => (kind === "principal" ? keyText(name) : name),
      },
      time("since", "Since", ({ since }) => since),
      { key: "reason", title: "Reason", value: ({ reason }) => reason },
    ],
  });
}

/** Said where principals are banned, whose names are nobody else's business. */
export function othersText(principals: number): string {
  return `This node's owner has banned ${principals} ${principals === 1 ? "principal" : "principals"}.`;
}

/** Why this node redeems and renews nothing for whoever looks, or not for a slice it has here, each as a sentence. */
export function bansOf(bans: readonly Ban[], name: KeyName, leases: readonly StoredLease[]): string[] {
  const slices = new Set(leases.map(({ slice }) => slice));
  return bans
    .filter((ban) => (ban.kind === "principal" ? ban.name === name : slices.has(ban.name)))
    .map(({ kind, name: banned, since, reason }) => {
      const whom = kind === "principal" ? "you" : `the slice ${banned}`;
      const why = reason === "" ? "" : ` (${reason})`;
      return `This node's owner has banned ${whom} since ${formatInstant(since)} UTC${why}: nothing is redeemed or renewed; what there is goes on to its end.`;
    });
}
