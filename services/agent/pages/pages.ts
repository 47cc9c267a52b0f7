import { formatInstant } from "#shared/model/time.ts";
import { ago } from "#shared/web/age.ts";
import { link, toned, utc } from "#shared/web/cells.ts";
import { html } from "#shared/web/html.ts";
import type { Fact, Page } from "#shared/web/page.ts";
import type { SliverOverview } from "../store/inspection/overview.ts";
import type { Advertisement } from "../store/issuing/advertisements.ts";
import { sitePath } from "./addresses.ts";
import { calendar, topology } from "./drawings.ts";
import { type Fleet, isSilent, silence } from "./fleet.ts";
import { fleetMap } from "./fleet-map.ts";
import { monitorTable } from "./monitor-table.ts";
import { livenessText, machineText, nodeTable, usedFacts } from "./node-table.ts";
import { siteTable } from "./site-table.ts";
import { sliceTable, sliverTable } from "./slice-table.ts";
import { type Trouble, troubles, troubleTable } from "./trouble.ts";

export function overviewPage(fleet: Fleet): Page {
  const { now, agent, version, overbooking, ads, slices, monitors, limit, concerns = [] } = fleet;
  const found = troubles(fleet);
  const silent = ads.filter((ad) => isSilent(ad, now)).length;
  const least = `Only the first ${limit} nodes and slices are read for this page; there may be more.`;
  return {
    title: "Slicelab agent",
    now,
    lead: html`<code>${agent.slice(0, 16)}…</code> · version ${version} · ${formatInstant(now)} UTC`,
    notices: [...concerns, ...(ads.length === limit || slices.length === limit ? [least] : [])],
    facts: [
      { key: "nodes", title: "Nodes", value: ads.length },
      { key: "heard", title: "Heard", value: ads.length - silent },
      { key: "slices", title: "Slices", value: slices.length },
      { key: "leases", title: "Leases", value: slices.reduce((sum, { redeemed }) => sum + redeemed, 0) },
      troubleFact(found),
      { key: "overbooking", title: "Overbooking", value: overbooking / 1000 },
    ],
    parts: [fleetMap(fleet), nodeTable(fleet), sliceTable(slices), monitorTable(monitors, now)],
  };
}

function troubleFact(found: readonly Trouble[]): Fact {
  const text = toned(found.length === 0 ? "good" : "bad", found.length);
  return { key: "trouble", title: "Wrong now", value: found.length, show: link("/trouble", text) };
}

export function troublePage(fleet: Fleet): Page {
  return { title: "What is wrong now", now: fleet.now, parts: [troubleTable(troubles(fleet))] };
}

export function nodesPage(fleet: Fleet): Page {
  return { title: "Nodes", now: fleet.now, parts: [nodeTable(fleet)] };
}

export function sitesPage(fleet: Fleet): Page {
  return { title: "Sites", now: fleet.now, parts: [fleetMap(fleet), siteTable(fleet)] };
}

export function slicesPage({ now, slices }: Fleet): Page {
  return { title: "Slices", now, parts: [sliceTable(slices)] };
}

export function nodePage(fleet: Fleet, ad: Advertisement, slivers: readonly SliverOverview[]): Page {
  const { now } = fleet;
  const silent = isSilent(ad, now);
  const heard = ad.heard === undefined ? "never" : ago(now - ad.heard);
  const wrong = silent ? [`It is silent. ${silence(ad, fleet)}`.trim()] : [];
  return {
    title: `Node ${ad.ip}`,
    now,
    lead: html`<code>${ad.node}</code>`,
    notices: [
      ...wrong,
      ...(ad.drained ? ["It is drained: nothing new is issued for it. What there is goes on."] : []),
      ...(ad.simulated ? ["Slivers are simulated there: nothing real is made."] : []),
    ],
    facts: [
      { key: "node", title: "Address", value: ad.ip },
      {
        ...{ key: "site", title: "Site", value: ad.site },
        show: ad.site === undefined ? "–" : link(sitePath(ad.site), ad.site),
      },
      { key: "where", title: "Where", value: whereText(ad) },
      { key: "heard", title: "Heard", value: heard, show: toned(silent ? "bad" : "good", heard) },
      { key: "liveness", title: "Liveness", value: livenessText(ad.liveness) },
      { key: "load", title: "Load", value: ad.load },
      { key: "machine", title: "Machine", value: machineText(ad, fleet) },
      { key: "overbooking", title: "Overbooking", value: ad.overbooking / 1000 },
      { key: "held_until", title: "Held until", value: utc(ad.until) },
      { key: "engines", title: "Engines", value: ad.engines },
      { key: "images", title: "Images", value: ad.images },
      { key: "tags", title: "Tags", value: ad.tags },
      ...usedFacts(ad),
    ],
    parts: [calendar(fleet, slivers, "slice"), sliverTable(slivers)],
  };
}

function whereText({ latitude, longitude, country, region }: Advertisement): string {
  const place = latitude === undefined || longitude === undefined ? undefined : `${latitude}, ${longitude}`;
  return [country, region, place].filter((text) => text !== undefined).join(" · ");
}

export function slicePage(fleet: Fleet, name: string, slivers: readonly SliverOverview[]): Page {
  const nodes = new Set(slivers.map(({ node }) => node));
  const ads = fleet.ads.filter(({ node }) => nodes.has(node));
  const wrong = ads.filter((ad) => isSilent(ad, fleet.now)).length;
  const silent = wrong === 0 ? [] : [`${wrong} of its nodes are silent.`];
  return {
    ...{ title: `Slice ${name}`, now: fleet.now, notices: silent },
    facts: [
      { key: "nodes", title: "Nodes", value: nodes.size },
      { key: "leases", title: "Leases", value: slivers.filter(({ state }) => state === "redeemed").length },
    ],
    parts: [
      topology(fleet, name, slivers),
      sliverTable(slivers),
      calendar(fleet, slivers, "node"),
      fleetMap({ ...fleet, ads }),
      nodeTable(fleet, ads),
    ],
  };
}

export function sitePage(fleet: Fleet, site: string): Page | undefined {
  const ads = fleet.ads.filter((ad) => ad.site === site);
  if (ads.length === 0) return undefined;
  const heard = ads.filter((ad) => !isSilent(ad, fleet.now)).length;
  return {
    ...{ title: `Site ${site}`, now: fleet.now },
    facts: [
      { key: "nodes", title: "Nodes", value: ads.length },
      { key: "heard", title: "Heard", value: heard },
    ],
    parts: [fleetMap({ ...fleet, ads }), nodeTable(fleet, ads)],
  };
}
