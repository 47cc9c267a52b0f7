import type { HostName } from "#shared/wire/ganglia/host.ts";
import type { Target } from "#shared/wire/ganglia/target.ts";
import type { StoredLease } from "../store/lease-rows.ts";
import { startAnnouncer } from "./announcer.ts";
import { UsageHistory } from "./history.ts";
import type { NodePast } from "./node-past.ts";
import { type SamplerDeps, startUsageSampler } from "./sampler.ts";
import type { SlicestatNode } from "./slicestat.ts";
import { type SlicestatFeed, startSlicestat } from "./slicestat-feed.ts";

/** Whom the node manager tells of itself and its slices, as Ganglia metrics. */
export type MonitorFeed = {
  /** The node as its own monitor has it. */
  readonly of: HostName;
  readonly announceTo: readonly Target[];
  readonly slicesTo: readonly Target[];
  readonly everySeconds: number;
};

export type FeedOptions = Pick<SamplerDeps, "engines" | "uptime" | "log" | "onUsage"> & {
  readonly slicestat: {
    readonly host: string;
    /** 0 takes any free one; absent: there is no such feed. */
    readonly port: number | undefined;
    readonly node: SlicestatNode;
  };
  /** Absent: nobody is told. */
  readonly monitor: MonitorFeed | undefined;
  /** SHA-256 of the node's key. */
  readonly node: string;
  readonly now: () => number;
  /** What is kept of how the node was. */
  readonly past: NodePast;
  /** Leases whose slivers are here. */
  readonly live: () => readonly StoredLease[];
};

/** What tells others what slices use. `slicestat` is that feed's port, 0 where there is none. */
export type UsageFeeds = AsyncDisposable & { readonly slicestat: number };

const LOOKS_MILLISECONDS = 15_000;

/** Slivers are looked at once for all who are told, and for what is kept of the node's past. */
export async function startUsageFeeds(options: FeedOptions): Promise<UsageFeeds> {
  const { slicestat, monitor, now } = options;
  await using owned = new AsyncDisposableStack();
  const history = new UsageHistory();
  const feed: SlicestatFeed = owned.use(await startSlicestat({ ...options, ...slicestat, history }));
  const everyMs = Math.min(LOOKS_MILLISECONDS, 1000 * (monitor?.everySeconds ?? Number.POSITIVE_INFINITY));
  owned.use(startUsageSampler({ ...options, history, everyMs }));
  owned.use(options.past.start({ ...options, history }));
  if (monitor) owned.use(startAnnouncer({ ...options, ...monitor, started: now(), history }));
  const kept = owned.move();
  return { slicestat: feed.port, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
