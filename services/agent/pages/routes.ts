import type { Instant } from "#shared/model/time.ts";
import type { Page } from "#shared/web/page.ts";
import type { Route } from "#shared/web/route.ts";
import type { SliverOverview } from "../store/overview.ts";
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

/** Reads slivers of one slice, or on one node. */
type ReadSlivers = (of: {
  readonly kind: "slice" | "node";
  readonly name: string;
}) => Promise<SliverOverview[]>;

/** Where each page is. */
export function agentRoutes(
  read: () => Promise<Fleet>,
  slivers: ReadSlivers,
  history: ReadHistory & { readonly now: () => Instant },
): Route[] {
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
      page: async ({ name = "" }) => {
        const fleet = await read();
        const ad = fleet.ads.find(({ node }) => node === name);
        if (!ad) return undefined;
        const page = nodePage(fleet, ad, await slivers({ kind: "node", name }));
        return { ...page, parts: [...page.parts, ...nodeCharts(await history.node(name), fleet.now)] };
      },
    },
    { path: "/sites/:name", page: async ({ name = "" }) => sitePage(await read(), name) },
    {
      path: "/slices/:name",
      page: async ({ name = "" }) => {
        const found = await slivers({ kind: "slice", name });
        return found.length === 0 ? undefined : slicePage(await read(), name, found);
      },
    },
  ];
}
