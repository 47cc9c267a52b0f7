import type { Instant } from "#shared/model/time.ts";
import type { Page } from "#shared/web/page.ts";
import type { Route } from "#shared/web/route.ts";
import type { Table } from "#shared/web/table.ts";
import type { Viewer } from "#shared/web/viewer.ts";
import type { SliverOverview } from "../store/inspection/overview.ts";
import type { Fleet } from "./fleet.ts";
import { historyPage, nodeCharts, type ReadHistory } from "./history.ts";
import {
  nodePage,
  nodesPage,
  overviewPage,
  sitePage,
  sitesPage,
  slicePage,
  slicesPage,
  troublePage,
} from "./pages.ts";

type Of = { readonly kind: "slice" | "node"; readonly name: string };

/** How what the pages show is read. */
export type Reading = {
  readonly fleet: () => Promise<Fleet>;
  /** Slivers of one slice, or on one node. */
  readonly slivers: (of: Of) => Promise<SliverOverview[]>;
  /** What of it is not for everybody. */
  readonly more: (of: Of, viewer: Viewer) => Promise<readonly Table[]>;
  readonly history: ReadHistory & { readonly now: () => Instant };
};

/** Where each page is. */
export function agentRoutes({ fleet: read, slivers, more, history }: Reading): Route[] {
  const withMore = async (page: Page, of: Of, viewer: Viewer): Promise<Page> => {
    return { ...page, parts: [...page.parts, ...(await more(of, viewer))] };
  };
  const ofFleet = (make: (fleet: Fleet) => Page) => async () => make(await read());
  return [
    { path: "/", link: "Overview", page: ofFleet(overviewPage) },
    { path: "/trouble", link: "Wrong now", page: ofFleet(troublePage) },
    { path: "/nodes", link: "Nodes", page: ofFleet(nodesPage) },
    { path: "/sites", link: "Sites", page: ofFleet(sitesPage) },
    { path: "/slices", link: "Slices", page: ofFleet(slicesPage) },
    {
      path: "/history",
      link: "History",
      page: async () => historyPage(await history.fleet(), history.now()),
    },
    {
      path: "/nodes/:name",
      example: async () => exampleOf((await read()).ads[0]?.node),
      page: async ({ name = "" }, viewer) => {
        const fleet = await read();
        const ad = fleet.ads.find(({ node }) => node === name);
        const of = { kind: "node", name } as const;
        if (!ad) return undefined;
        const page = nodePage(fleet, ad, await slivers(of));
        const charts = nodeCharts(await history.node(name), fleet.now);
        return await withMore({ ...page, parts: [...page.parts, ...charts] }, of, viewer);
      },
    },
    {
      path: "/sites/:name",
      example: async () => exampleOf((await read()).ads.find(({ site }) => site !== undefined)?.site),
      page: async ({ name = "" }) => sitePage(await read(), name),
    },
    {
      path: "/slices/:name",
      example: async () => exampleOf((await read()).slices[0]?.slice),
      page: async ({ name = "" }, viewer) => {
        const of = { kind: "slice", name } as const;
        const found = await slivers(of);
        if (found.length === 0) return undefined;
        return await withMore(slicePage(await read(), name, found), of, viewer);
      },
    },
  ];
}

function exampleOf(name: string | undefined): { readonly name: string } | undefined {
  return name === undefined ? undefined : { name };
}
