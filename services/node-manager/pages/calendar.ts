import { formatInstant, type Instant } from "#shared/model/time.ts";
import type { Panel } from "#shared/web/page.ts";
import { type Bar, type Lane, timeline } from "#shared/web/timeline.ts";
import type { StoredLease } from "../store/lease-rows.ts";
import type { Store } from "../store.ts";
import { stateOf } from "./lease-state.ts";

/** What is leased of the node, now and later: a line for each slice. */
export function leaseCalendar(
  leases: readonly StoredLease[],
  { suspensions }: Pick<Store, "suspensions">,
  now: Instant,
): Panel {
  const lanes = [...Map.groupBy(leases, ({ slice }) => slice)].map(([name, there]): Lane => {
    return { name, bars: there.flatMap((lease) => barsOf(lease, stateOf(lease, suspensions))) };
  });
  const none = "Nothing is leased now or later.";
  const beside =
    "Full bars are leases; outlined, what they may be renewed for without a new ticket. The table has the same.";
  return timeline("calendar", "Calendar", { now, lanes, beside, none });
}

function barsOf({ slice, term: { start, end }, renewableUntil }: StoredLease, state: string): Bar[] {
  const until = formatInstant(end);
  const lease: Bar = {
    ...{ start, end, tone: state === "live" ? "good" : "warn" },
    label: `${slice}: ${state}, ${formatInstant(start)} to ${until} UTC`,
  };
  if (renewableUntil <= end) return [lease];
  const label = `${slice}: can be renewed until ${formatInstant(renewableUntil)} UTC`;
  return [lease, { start: end, end: renewableUntil, tone: "plain", label }];
}
