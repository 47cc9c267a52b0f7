import type { ShareDimension } from "#shared/model/resources.ts";
import { ago, lasting } from "#shared/web/age.ts";
import { bar, link, note, toned } from "#shared/web/cells.ts";
import { type Html, html } from "#shared/web/html.ts";
import type { Fact } from "#shared/web/page.ts";
import { type Column, type Table, table } from "#shared/web/table.ts";
import type { Advertisement } from "../store/issuing/advertisements.ts";
import { nodePath, sitePath } from "./addresses.ts";
import { type Fleet, isSilent, silence } from "./fleet.ts";

const SHOWN: readonly { dimension: ShareDimension; title: string; unit: string }[] = [
  { dimension: "slivers", title: "Slivers", unit: "" },
  { dimension: "memoryMib", title: "Memory", unit: "MiB" },
  { dimension: "diskMib", title: "Disk", unit: "MiB" },
  { dimension: "cpuMillis", title: "Processor (1/1000 core)", unit: "" },
  { dimension: "egressKbps", title: "Egress", unit: "kbit/s" },
];

/** Nodes, what is used there and how they are. */
export function nodeTable(fleet: Fleet, ads: readonly Advertisement[] = fleet.ads): Table {
  return table<Advertisement>({
    ...{ id: "nodes", title: "Nodes", empty: "No node has given this agent anything yet.", rows: ads },
    columns: [
      {
        ...{ key: "ip", title: "Node", value: ({ ip }) => ip },
        show: ({ ip, node, drained }) =>
          html`${link(nodePath(node), ip)}${drained ? html` <span class="tag">drained</span>` : undefined}<small>${node.slice(0, 12)}</small>`,
      },
      {
        ...{ key: "site", title: "Site", value: ({ site }) => site },
        show: ({ site }) => (site === undefined ? undefined : link(sitePath(site), site)),
      },
      {
        ...{ key: "country", title: "Country", value: ({ country }) => country },
      },
      heardColumn(fleet),
      {
        ...{ key: "liveness", title: "Liveness (%)" },
        value: ({ liveness }) => liveness && liveness / 10,
        show: ({ liveness }) => livenessText(liveness),
      },
      loadColumn(fleet),
      ...SHOWN.map(usedColumn),
      {
        ...{ key: "engines", title: "Engines", value: enginesText },
        show: (ad) =>
          html`${enginesText(ad)}${ad.simulated ? html` <span class="tag">simulated</span>` : undefined}`,
      },
    ],
  });
}

export function livenessText(liveness: number | undefined): string {
  return liveness === undefined ? "–" : `${(liveness / 10).toFixed(1)} %`;
}

function enginesText({ engines }: Advertisement): string {
  return engines.join(", ");
}

function heardColumn(fleet: Fleet): Column<Advertisement> {
  const { now } = fleet;
  return {
    ...{ key: "heard", title: "Heard", time: true, value: ({ heard }) => heard },
    show: (ad) => {
      const text = ad.heard === undefined ? "never" : ago(now - ad.heard);
      const silent = isSilent(ad, now);
      return html`${toned(silent ? "bad" : "good", text)}${note(silent ? silence(ad, fleet) : "")}`;
    },
  };
}

function loadColumn(fleet: Fleet): Column<Advertisement> {
  return {
    ...{ key: "load", title: "Load", value: ({ load }) => load },
    show: (ad) => {
      const { load, cpus } = ad;
      if (load === undefined) return html`–${note(machineText(ad, fleet))}`;
      const text = cpus === undefined ? load.toFixed(2) : `${load.toFixed(2)} / ${cpus}`;
      return html`${text}${cpus === undefined ? undefined : bar(load, cpus)}${note(machineText(ad, fleet))}`;
    },
  };
}

/** How long a machine is up and how much memory it has left, as monitors tell. */
export function machineText({ node }: Advertisement, { conditions, now }: Fleet): string {
  const { booted, memoryAvailableMib: memory } = conditions.get(node) ?? {};
  const up = booted == null || booted > now ? undefined : `up ${lasting(now - booted)}`;
  return [up, memory == null ? undefined : `${memory} MiB unused`].filter((text) => text).join(", ");
}

type Used = (typeof SHOWN)[number];

function usedColumn(of: Used): Column<Advertisement> {
  return {
    ...{ key: of.dimension, title: of.title, value: (ad) => usedOf(ad, of) },
    show: (ad) => usedCell(ad, of),
  };
}

/** The same of one node, on its own page. */
export function usedFacts(ad: Advertisement): Fact[] {
  return SHOWN.map((of) => {
    return {
      ...{ key: `used_${of.dimension}`, title: of.title, value: usedOf(ad, of) },
      show: usedCell(ad, of),
    };
  });
}

/** Used of what may be issued now. Of a drained node nothing is free, whatever is used. */
function usedOf(ad: Advertisement, { dimension }: Used): number | undefined {
  return ad.drained ? undefined : Math.max(0, limitOf(ad, dimension) - ad.free[dimension]);
}

function limitOf({ resources, overbooking }: Advertisement, dimension: ShareDimension): number {
  return Math.floor((resources[dimension] * overbooking) / 1000);
}

function usedCell(ad: Advertisement, of: Used): Html {
  const [part, whole] = [usedOf(ad, of), limitOf(ad, of.dimension)];
  if (part === undefined) return toned("plain", "nothing new");
  return html`${part} / ${whole} ${of.unit}${bar(part, whole)}`;
}
