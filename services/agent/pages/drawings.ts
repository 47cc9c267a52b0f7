import { formatInstant } from "#shared/model/time.ts";
import type { Panel } from "#shared/web/page.ts";
import { ring, type Spoke } from "#shared/web/ring.ts";
import { type Lane, timeline } from "#shared/web/timeline.ts";
import { ENDING_SECONDS, type SliverOverview } from "../store/inspection/overview.ts";
import { nodePath, slicePath } from "./addresses.ts";
import { type Fleet, isSilent } from "./fleet.ts";

type Tone = Spoke["tone"];

/** Where a slice is, and through whom: a ring of its slivers around it. */
export function topology(fleet: Fleet, slice: string, slivers: readonly SliverOverview[]): Panel {
  const byNode = Map.groupBy(slivers, ({ node }) => node);
  const spokes = [...byNode.values()].map((there) => spokeOf(fleet, there));
  const leases = spokes.filter(({ tone }) => tone !== "plain").length;
  const agents = new Set(slivers.map(({ through }) => through ?? ""));
  const through = [...agents].some((agent) => agent !== "") ? "; a dot in between is another agent" : "";
  const beside = `Slivers around their slice, side by side with others of their site: ${leases} leases, ${spokes.length - leases} tickets to redeem${through}. Lines are tickets: how slivers reach each other, an agent does not know. The table has the same.`;
  return ring("topology", "What it is made of", { middle: slice, spokes, beside });
}

function spokeOf(fleet: Fleet, there: readonly SliverOverview[]): Spoke {
  const { node, ip, site, through } = there[0]!;
  const tone = toneOf(fleet, there);
  return {
    ...{ name: ip, href: nodePath(node), tone, group: site ?? "", through: through ?? "" },
    label: [ip, site, TOLD[tone], through === null ? undefined : `through ${through}`]
      .filter((text) => text != null)
      .join(", "),
  };
}

const TOLD: Readonly<Record<Tone, string>> = {
  good: "lease",
  plain: "ticket to redeem",
  warn: "ends within the hour",
  bad: "its node is silent",
};

function toneOf({ ads, now }: Fleet, there: readonly SliverOverview[]): Tone {
  const ad = ads.find(({ node }) => node === there[0]!.node);
  if (ad && isSilent(ad, now)) return "bad";
  if (there.every(({ state }) => state === "issued")) return "plain";
  return Math.max(...there.map(({ until }) => until)) - now < ENDING_SECONDS ? "warn" : "good";
}

/** What is leased or may be, over time: on one node a line for each slice, of one slice one for each node. */
export function calendar(
  { now }: Pick<Fleet, "now">,
  slivers: readonly SliverOverview[],
  by: "slice" | "node",
): Panel {
  const lines = Map.groupBy(slivers, (sliver) => (by === "slice" ? sliver.slice : sliver.node));
  const lanes = [...lines.values()].map((there): Lane => {
    const { slice, node, ip } = there[0]!;
    const [name, href] = by === "slice" ? [slice, slicePath(slice)] : [ip, nodePath(node)];
    const bars = there.map(({ state, from, until }) => ({
      ...{
        start: from,
        end: until,
        href,
        tone: state === "redeemed" ? ("good" as const) : ("plain" as const),
      },
      label: `${name}: ${state === "redeemed" ? "lease" : "ticket to redeem"}, ${formatInstant(from)} to ${formatInstant(until)} UTC`,
    }));
    return { name, href, bars };
  });
  const none = "Nothing is leased now or later.";
  const beside =
    "Full bars are leases, to the end of what may be renewed; outlined ones are tickets to redeem. The table has the same.";
  return timeline("calendar", by === "slice" ? "Calendar" : "When", { now, lanes, beside, none });
}
