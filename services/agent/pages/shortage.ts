import type { Instant } from "#shared/model/time.ts";
import { ago } from "#shared/web/age.ts";
import { SILENT_SECONDS } from "../issuing/offer.ts";
import type { SliceTicketFate } from "../store/inspection/fates.ts";

/** A sliver that a slice was given and does not have. */
export type LostSliver = {
  readonly ip: string;
  readonly node: string;
  readonly why: string;
  readonly at: Instant;
};

/** A slice that has fewer nodes than were asked for. */
export type Shortage = {
  readonly slice: string;
  readonly live: number;
  readonly asked: number;
  readonly lost: readonly LostSliver[];
};

/**
 * Slices that have lost slivers nobody has replaced. What is lost: leases on silent nodes, tickets that nobody redeemed
 * in time, and leases that ended while the rest of the slice went on. Given back tickets were not wanted; and each
 * node that joined the slice after a loss makes up for one. A slice of which nothing is left has ended, and is not short.
 */
export function shortages(fates: readonly SliceTicketFate[], now: Instant): Shortage[] {
  const slices = Map.groupBy(fates, ({ slice }) => slice);
  return [...slices].flatMap(([slice, tickets]) => shortageOf(slice, tickets, now) ?? []);
}

function shortageOf(slice: string, tickets: readonly SliceTicketFate[], now: Instant): Shortage | undefined {
  const standing = tickets.filter(stands);
  if (standing.length === 0) return undefined;
  const since = Math.min(...standing.map(({ issued }) => issued));
  const nodes = [...Map.groupBy(tickets, ({ node }) => node).values()];
  const joined = (there: readonly SliceTicketFate[]) => Math.min(...there.map(({ issued }) => issued));
  const fates = nodes.map((there) => ({ there, joined: joined(there), lost: lossOf(there, now) }));
  const well = fates.filter(({ there, lost }) => !lost && there.some(stands));
  const lost = fates
    .flatMap((one) => (one.lost && one.lost.at >= since ? [{ joined: one.joined, sliver: one.lost }] : []))
    .toSorted((one, other) => one.sliver.at - other.sliver.at);
  const newcomers = well.map((one) => one.joined).toSorted((a, b) => b - a);
  const missing = lost.filter((one) => {
    // The latest newcomers stand in for the earliest losses.
    if (newcomers.length === 0 || newcomers[0]! <= one.joined) return true;
    newcomers.shift();
    return false;
  });
  if (missing.length === 0) return undefined;
  return {
    slice,
    live: well.length,
    asked: well.length + missing.length,
    lost: missing.map((one) => one.sliver),
  };
}

function stands({ state, released }: SliceTicketFate): boolean {
  return state === "redeemed" || (state === "issued" && released === null);
}

/** What became of a node's part in a slice, if it is none any more. */
function lossOf(there: readonly SliceTicketFate[], now: Instant): LostSliver | undefined {
  const { ip, node, heard } = there[0]!;
  const lost = (why: string, at: Instant) => ({ ip, node, why, at });
  if (there.some(({ state }) => state === "redeemed")) {
    if (heard !== null && now - heard <= SILENT_SECONDS) return undefined;
    return heard === null ? lost("was never heard", now) : lost(`silent: heard ${ago(now - heard)}`, heard);
  }
  const waiting = there.filter(stands);
  const latest = waiting.toSorted((one, other) => other.validTo - one.validTo)[0];
  if (latest)
    return latest.validTo < now ? lost("its ticket was not redeemed in time", latest.validTo) : undefined;
  const over = there
    .filter(({ released }) => released === null)
    .toSorted((a, b) => (b.settled ?? 0) - (a.settled ?? 0))[0];
  if (!over) return undefined;
  const why = over.withdrawn === null ? ENDINGS[over.state] : "its node's owner ended the lease";
  return lost(why ?? "its lease is over", over.settled ?? now);
}

const ENDINGS: Partial<Record<SliceTicketFate["state"], string>> = {
  unredeemed: "its ticket was never redeemed",
  cancelled: "its node has cancelled its ticket",
  ended: "its lease was ended before its time",
};
