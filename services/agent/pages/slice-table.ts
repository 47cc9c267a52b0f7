import { link, toned, utc } from "#shared/web/cells.ts";
import { type Table, table } from "#shared/web/table.ts";
import type { SliceOverview, SliverOverview } from "../store/inspection/overview.ts";
import { nodePath, sitePath, slicePath } from "./addresses.ts";

export function sliceTable(slices: readonly SliceOverview[]): Table {
  return table<SliceOverview>({
    ...{ id: "slices", title: "Slices", empty: "No slice has a ticket or a lease now.", rows: slices },
    columns: [
      {
        ...{ key: "slice", title: "Slice", value: ({ slice }) => slice },
        show: ({ slice }) => link(slicePath(slice), slice),
      },
      { key: "nodes", title: "Nodes", value: ({ nodes }) => nodes },
      { key: "leases", title: "Leases", value: ({ redeemed }) => redeemed },
      { key: "tickets", title: "Tickets to redeem", value: ({ issued }) => issued },
      {
        ...{ key: "until", title: "Counted until", time: true, value: ({ until }) => until },
        show: ({ until }) => utc(until),
      },
    ],
  });
}

/** Slivers of one slice or on one node: where they are, not whose. */
export function sliverTable(slivers: readonly SliverOverview[]): Table {
  return table<SliverOverview>({
    ...{ id: "slivers", title: "Slivers", empty: "There is no ticket or lease now.", rows: slivers },
    columns: [
      {
        ...{ key: "slice", title: "Slice", value: ({ slice }) => slice },
        show: ({ slice }) => link(slicePath(slice), slice),
      },
      {
        ...{ key: "ip", title: "Node", value: ({ ip }) => ip },
        show: ({ ip, node }) => link(nodePath(node), ip),
      },
      {
        ...{ key: "site", title: "Site", value: ({ site }) => site ?? undefined },
        show: ({ site }) => (site === null ? undefined : link(sitePath(site), site)),
      },
      {
        ...{ key: "state", title: "State", value: ({ state }) => STATES[state] },
        show: ({ state }) => toned(state === "redeemed" ? "good" : "plain", STATES[state]),
      },
      { key: "from", title: "From", time: true, value: ({ from }) => from, show: ({ from }) => utc(from) },
      {
        ...{ key: "until", title: "Counted until", time: true, value: ({ until }) => until },
        show: ({ until }) => utc(until),
      },
      {
        ...{ key: "through", title: "Through", value: ({ through }) => through ?? undefined },
        show: ({ through }) => through ?? "this agent",
      },
    ],
  });
}

const STATES = { issued: "ticket to redeem", redeemed: "lease" } as const;
