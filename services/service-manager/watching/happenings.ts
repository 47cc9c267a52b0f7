import { formatInstant, type Instant } from "#shared/model/time.ts";
import type { SliverView } from "../slivers/sliver-view.ts";

/** The slivers of a slice as they were at one moment. */
export type Sight = { readonly at: Instant; readonly views: readonly SliverView[] };

/** One thing that changed: on one node, or, without one, about the slice as a whole or whoever watches it. */
export type Happening = {
  readonly at: Instant;
  readonly node?: string;
  readonly ip?: string;
  readonly event: HappeningOfNode | "agent-away" | "agent-back" | "certificate" | "asleep" | "clock";
  readonly sentence: string;
};

export type HappeningOfNode =
  | "new"
  | "left"
  | "lost"
  | "back"
  | "state"
  | "renewed"
  | "not-renewed"
  | "ends-soon"
  | "holding"
  | "ended";

type Change = Pick<Happening, "event" | "sentence">;

/** What changed from one look to the next; at the first look, what is not as it should be. */
export function happeningsBetween(before: Sight | undefined, after: Sight, soonSeconds: number): Happening[] {
  const old = byNode(before);
  const fresh = byNode(after);
  const told = (view: SliverView, changes: readonly Change[]) =>
    changes.map((change) => ({ at: after.at, node: view.address.node, ip: view.address.ip, ...change }));
  const changed = [...fresh].flatMap(([node, view]) => {
    const was = old.get(node);
    const arrival: Change[] =
      before && !was ? [{ event: "new", sentence: "has a sliver of the slice now" }] : [];
    return told(view, [
      ...arrival,
      ...stateChange(was, view),
      ...renewal(was, view),
      ...ending(before && was ? nearness(was, before.at, soonSeconds) : "far", view, after.at, soonSeconds),
    ]);
  });
  const left = [...old].filter(([node]) => !fresh.has(node));
  const leaving: Change = { event: "left", sentence: "has no lease of the slice any more" };
  return [...changed, ...left.flatMap(([, view]) => told(view, [leaving]))];
}

function byNode(sight: Sight | undefined): Map<string, SliverView> {
  const leased = (sight?.views ?? []).filter(({ lease }) => lease);
  return new Map(leased.map((view) => [view.address.node, view]));
}

function stateChange(was: SliverView | undefined, { state, trouble }: SliverView): Change[] {
  const before = was?.state ?? "running";
  if (before === state) return [];
  if (state === "unknown") {
    const why = trouble ? `${trouble.name}: ${trouble.sentence}` : "it does not say how its sliver is";
    return [{ event: "lost", sentence: why }];
  }
  if (before === "unknown") return [{ event: "back", sentence: `its sliver is ${state}` }];
  return [{ event: "state", sentence: was ? `was ${before}, is ${state}` : `is ${state}` }];
}

function renewal(was: SliverView | undefined, { lease }: SliverView): Change[] {
  if (!was?.lease || !lease || lease.term.end <= was.lease.term.end) return [];
  return [{ event: "renewed", sentence: `until ${formatInstant(lease.term.end)} UTC` }];
}

type Nearness = "far" | "soon" | "over";

/** How near a lease is to its end. */
function nearness({ lease }: SliverView, at: Instant, soonSeconds: number): Nearness {
  if (!lease || lease.term.end - at > soonSeconds) return "far";
  return lease.term.end > at ? "soon" : "over";
}

function ending(was: Nearness, view: SliverView, at: Instant, soonSeconds: number): Change[] {
  const is = nearness(view, at, soonSeconds);
  if (is === was || is === "far") return [];
  const end = `${formatInstant(view.lease!.term.end)} UTC`;
  if (is === "soon") return [{ event: "ends-soon", sentence: `its lease ends at ${end}` }];
  return [{ event: "ended", sentence: `its lease, at ${end}: it was not renewed in time` }];
}
