import { formatLength, type Instant } from "#shared/model/time.ts";
import { ago } from "#shared/web/age.ts";
import { link, type Tone, toned } from "#shared/web/cells.ts";
import { html } from "#shared/web/html.ts";
import { type Table, table } from "#shared/web/table.ts";
import { ENDING_SECONDS } from "../store/inspection/overview.ts";
import { nodePath, slicePath } from "./addresses.ts";
import { type Fleet, isFailing, isSilent, silence } from "./fleet.ts";

/** Something that is wrong now, or will be soon, and why. */
export type Trouble = {
  readonly of: "node" | "monitor" | "slice" | "holding" | "agent";
  readonly name: string;
  readonly href: string;
  readonly tone: Extract<Tone, "warn" | "bad">;
  readonly reason: string;
  /** What can be done about it, and by whom. */
  readonly todo: string;
  readonly since?: Instant;
};

/** A node renews its root tickets at half their time: one that is so near its end was not renewed. */
const UNRENEWED_SECONDS = 14 * 86_400;

export function troubles(fleet: Fleet): Trouble[] {
  return [
    ...ownConcerns(fleet),
    ...shortSlices(fleet),
    ...endings(fleet),
    ...silentNodes(fleet),
    ...idleNodes(fleet),
    ...failingMonitors(fleet),
  ];
}

function ownConcerns({ concerns = [] }: Fleet): Trouble[] {
  return concerns.map((reason) => ({
    ...{ of: "agent", name: "this agent", href: "/", tone: "bad" as const, reason },
    todo: "its operator: slicelab doctor says how to mend it",
  }));
}

/** So many of the lost are named; more are counted. */
const NAMED = 3;

function shortSlices({ shortages }: Fleet): Trouble[] {
  return shortages.map(({ slice, live, asked, lost }) => {
    const reasons = lost.slice(0, NAMED).map(({ ip, why }) => `${ip}: ${why}`);
    const more = lost.length > NAMED ? [`and ${lost.length - NAMED} more`] : [];
    return {
      ...{ of: "slice", name: slice, href: slicePath(slice), tone: "bad" as const },
      reason: `has ${live} of ${asked} nodes (${[...reasons, ...more].join("; ")})`,
      todo: `its owner: slice repair ${slice} puts others in their place`,
      since: lost[0]?.at,
    };
  });
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
        todo: "its owner: see that machine, network and node manager run; slicelab doctor there says more",
      };
    });
}

/** How many, not which: they are not advertised. */
function idleNodes({ idle }: Fleet): Trouble[] {
  if (idle === 0) return [];
  const name = idle === 1 ? "1 node" : `${idle} nodes`;
  const reason = "registered here, but nothing is held of it now: its owner may not have chosen this agent";
  const todo = "its owner: name this agent in the node manager's configuration";
  return [{ of: "node", name, href: "/nodes", tone: "warn", reason, todo }];
}

function failingMonitors({ monitors }: Fleet): Trouble[] {
  return monitors.filter(isFailing).map(({ name, failure, lastAnswer }) => ({
    ...{ of: "monitor", name, href: "/#monitors", tone: "bad" as const, since: lastAnswer ?? undefined },
    reason: failure ?? "its last poll failed",
    todo: "see that it runs and can be reached from here",
  }));
}

function endings({ ads, slices, now }: Fleet): Trouble[] {
  const ending = slices.filter(({ soonest }) => soonest - now < ENDING_SECONDS);
  const unrenewed = ads.filter(({ until }) => until - now < UNRENEWED_SECONDS);
  return [
    ...ending.map(({ slice, nodes, ending: count, soonest }) => ({
      ...{ of: "slice" as const, name: slice, href: slicePath(slice), tone: "warn" as const },
      reason: `can be renewed on ${count} of ${nodes} nodes for ${formatLength(soonest - now)} and no longer`,
      todo: `its owner: slice renew ${slice} gets new tickets`,
    })),
    ...unrenewed.map(({ node, ip, until }) => ({
      ...{ of: "holding" as const, name: ip, href: nodePath(node), tone: "warn" as const },
      reason: `what is held there ends in ${formatLength(until - now)}; its node has not renewed it`,
      todo: "its owner: see that the node manager reaches this agent and still names it",
    })),
  ];
}

export function troubleTable(found: readonly Trouble[]): Table {
  return table<Trouble>({
    ...{ id: "trouble", title: "Wrong now", empty: "Nothing is known to be wrong.", rows: found },
    columns: [
      {
        ...{ key: "name", title: "What", value: ({ name }) => name },
        show: ({ name, href }) => link(href, name),
      },
      {
        ...{ key: "reason", title: "Why", value: ({ reason }) => reason },
        show: ({ tone, reason }) => html`<span class="long">${toned(tone, reason)}</span>`,
      },
      {
        ...{ key: "todo", title: "What to do", value: ({ todo }) => todo },
        show: ({ todo }) => html`<span class="long">${todo}</span>`,
      },
      { key: "of", title: "Kind", value: ({ of }) => of },
      { key: "since", title: "Well until (UTC)", time: true, value: ({ since }) => since },
    ],
  });
}
