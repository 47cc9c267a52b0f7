import { link, toned } from "#shared/web/cells.ts";
import { type Table, table } from "#shared/web/table.ts";
import { sitePath } from "./addresses.ts";
import { type Fleet, isSilent } from "./fleet.ts";

type Site = {
  readonly name: string;
  readonly country?: string;
  readonly nodes: number;
  readonly heard: number;
  readonly freeSlivers: number;
};

/** Sites that nodes are at, and how these are. */
export function siteTable({ ads, now }: Fleet): Table {
  const bySite = Map.groupBy(
    ads.filter(({ site }) => site !== undefined),
    ({ site }) => site as string,
  );
  const rows = [...bySite].map(([name, there]): Site => {
    const heard = there.filter((ad) => !isSilent(ad, now));
    return {
      ...{ name, country: there.find(({ country }) => country)?.country, nodes: there.length },
      ...{ heard: heard.length, freeSlivers: heard.reduce((sum, { free }) => sum + free.slivers, 0) },
    };
  });
  return table<Site>({
    ...{ id: "sites", title: "Sites", empty: "No node says at which site it is.", rows },
    columns: [
      {
        ...{ key: "site", title: "Site", value: ({ name }) => name },
        show: ({ name }) => link(sitePath(name), name),
      },
      { key: "country", title: "Country", value: ({ country }) => country },
      { key: "nodes", title: "Nodes", value: ({ nodes }) => nodes },
      {
        ...{ key: "heard", title: "Heard", value: ({ heard }) => heard },
        show: ({ heard, nodes }) => toned(heard === nodes ? "good" : "bad", heard),
      },
      { key: "free", title: "Slivers free there", value: ({ freeSlivers }) => freeSlivers },
    ],
  });
}
