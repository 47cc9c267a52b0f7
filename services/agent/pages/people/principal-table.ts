import { keyText, link, toned, utc } from "#shared/web/cells.ts";
import { type Table, table } from "#shared/web/table.ts";
import type { PrincipalOverview } from "../../store/inspection/principals.ts";
import { principalPath, sitePath } from "../addresses.ts";

/** Whom an agent knows, but for its nodes, which have a table of their own. */
export function principalTable(principals: readonly PrincipalOverview[]): Table {
  return table<PrincipalOverview>({
    ...{ id: "principals", title: "Principals", empty: "Nobody is registered.", rows: principals },
    columns: [
      {
        ...{ key: "label", title: "Principal", value: ({ label }) => label },
        show: ({ label, name }) => link(principalPath(name), label),
      },
      { key: "role", title: "Role", value: ({ role }) => role },
      {
        ...{ key: "site", title: "Site", value: ({ site }) => site ?? undefined },
        show: ({ site }) => (site === null ? undefined : link(sitePath(site), site)),
      },
      {
        ...{ key: "standing", title: "Standing", value: standingOf },
        show: (one) => toned(one.suspended ? "bad" : "good", standingOf(one)),
      },
      { key: "slices", title: "Slices now", value: ({ slices }) => slices },
      { key: "slivers", title: "Slivers now", value: ({ slivers }) => slivers },
      { key: "names", title: "Slice names", value: ({ names }) => names },
      {
        key: "added",
        title: "Added",
        time: true,
        value: ({ added }) => added,
        show: ({ added }) => utc(added),
      },
      {
        ...{ key: "principal", title: "Key", value: ({ name }) => name },
        show: ({ name }) => keyText(name),
      },
    ],
  });
}

export function standingOf({ suspended, revoked }: Pick<PrincipalOverview, "suspended" | "revoked">): string {
  if (revoked) return "revoked";
  return suspended ? "suspended" : "in good standing";
}
