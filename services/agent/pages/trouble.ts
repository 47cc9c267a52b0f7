import { formatLength, type Instant } from "#shared/model/time.ts";
import { ago } from "#shared/web/age.ts";
import { link, type Tone, toned } from "#shared/web/cells.ts";
import { html } from "#shared/web/html.ts";
import { type Table, table } from "#shared/web/table.ts";
import { nodePath, slicePath } from "./addresses.ts";
import { type Fleet, isFailing, isSilent, silence } from "./fleet.ts";

/** Something that is wrong now, or will be soon, and why. */
export type Trouble = {
  readonly of: "node" | "monitor" | "slice" | "holding";
  readonly name: string;
  readonly href: string;
  readonly tone: Extract<Tone, "warn" | "bad">;
  readonly reason: string;
  readonly since?: Instant;
};

/** A slice that cannot be renewed beyond this needs new tickets now. */
const ENDING_SECONDS = 3600;

/** A node renews its root tickets at half their time: one that is so near its end was not renewed. */
const UNRENEWED_SECONDS = 14 * 86_400;

export function troubles(fleet: Fleet): Trouble[] {
  return [...silentNodes(fleet), ...idleNodes(fleet), ...failingMonitors(fleet), ...endings(fleet)];
}

function silentNodes(fleet: Fleet): Trouble[] {
  const { ads, now } = fleet;
  return ads
    .filter((ad) => isSilent(ad, now))
    .map((ad) => {
      const last = ad.heard === undefined ? "never reported" : `reported last ${ago(now - ad.heard)}`;
      const reason = [last, silence(ad, fleet)].filter((text) => text !== "").join("; ");
      return {
        ...{ of: "node", name: ad.ip, href: nodePath(ad.node), tone: "bad" as const },
        ...{ reason, since: ad.heard },
      };
    });
}

/** How many, not which: they are not advertised. */
function idleNodes({ idle }: Fleet): Trouble[] {
  if (idle === 0) return [];
  const name = idle === 1 ? "1 node" : `${idle} nodes`;
  const reason = "registered here, but nothing is held of it now: its owner may not have chosen this agent";
  return [{ of: "node", name, href: "/nodes", tone: "warn", reason }];
}

function failingMonitors({ monitors }: Fleet): Trouble[] {
  return monitors.filter(isFailing).map(({ name, failure, lastAnswer }) => ({
    ...{ of: "monitor", name, href: "/#monitors", tone: "bad" as const, since: lastAnswer ?? undefined },
    reason: failure ?? "its last poll failed",
  }));
}

function endings({ ads, slices, now }: Fleet): Trouble[] {
  const ending = slices.filter(({ until }) => until - now < ENDING_SECONDS);
  const unrenewed = ads.filter(({ until }) => until - now < UNRENEWED_SECONDS);
  return [
    ...ending.map(({ slice, until }) => ({
      ...{ of: "slice" as const, name: slice, href: slicePath(slice), tone: "warn" as const },
      reason: `can be renewed for ${formatLength(until - now)} and no longer; it needs new tickets by then`,
    })),
    ...unrenewed.map(({ node, ip, until }) => ({
      ...{ of: "holding" as const, name: ip, href: nodePath(node), tone: "warn" as const },
      reason: `what is held there ends in ${formatLength(until - now)}; its node has not renewed it`,
    })),
  ];
}

export function troubleTable(found: readonly Trouble[]): Table {
  return table<Trouble>({
    ...{ id: "trouble", title: "Wrong now", empty: "Nothing is known to be wrong.", rows: found },
    columns: [
      {
        ...{ key: "name", title: "What", value: ({ name }) => name },
        show: ({ name, href, of }) => html`${link(href, name)}<small>${of}</small>`,
      },
      {
        ...{ key: "reason", title: "Why", value: ({ reason }) => reason },
        show: ({ tone, reason }) => html`<span class="long">${toned(tone, reason)}</span>`,
      },
      { key: "of", title: "Kind", value: ({ of }) => of },
      { key: "since", title: "Well until (UTC)", time: true, value: ({ since }) => since },
    ],
  });
}
