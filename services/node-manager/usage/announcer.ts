import type { Log } from "#shared/runtime/log.ts";
import type { HostName } from "#shared/wire/ganglia/host.ts";
import { type HostMetric, metadataPacket, valuePacket } from "#shared/wire/ganglia/host-metric.ts";
import type { Packet } from "#shared/wire/ganglia/packet.ts";
import type { Target } from "#shared/wire/ganglia/target.ts";
import { openTeller } from "#shared/wire/ganglia/teller.ts";
import type { UsageHistory } from "./history.ts";
import { nodeManagerMetrics, sliceMetrics } from "./monitor-metrics.ts";
import type { Counted } from "./slicestat.ts";

export type AnnouncerOptions = {
  /** The host that it is told of: the node. */
  readonly of: HostName;
  /** SHA-256 of the node's key. */
  readonly node: string;
  /** When the node manager was started, in seconds since 1970. */
  readonly started: number;
  /** Who is told that the node manager lives. */
  readonly announceTo: readonly Target[];
  /** Who is told what slices use. */
  readonly slicesTo: readonly Target[];
  readonly everySeconds: number;
  readonly live: () => readonly Counted[];
  readonly history: UsageHistory;
  /** Milliseconds of a clock that nobody can set. */
  readonly uptime: () => number;
  readonly log: Log;
};

export type Announcer = AsyncDisposable & {
  /** Tells everybody, now; joins the round that is under way. */
  round(): Promise<void>;
};

/** More slivers than that are not told of. */
export const MOST_SLICES = 500;
/** How often it is said again what slices' metrics mean, for monitors that were not there. */
const METADATA_MILLISECONDS = 60_000;
/** What an engine said so long ago is no news: the slice's metrics are left to age. */
const STALE_MILLISECONDS = 60_000;

/**
 * Tells monitors, as Ganglia metrics, that the node manager lives and what each slice uses (docs/reference/node-manager.md).
 * Nothing is asked for it: use is as the sampler last saw it. Nobody who is told can say anything back.
 */
export function startAnnouncer(options: AnnouncerOptions): Announcer {
  const { of, announceTo, slicesTo, everySeconds, live, history, uptime, log } = options;
  const facts = nodeManagerMetrics(options.node, options.started);
  const teller = openTeller((err, target) => log.warn({ err, ...target }, "a monitor could not be told"));
  let explainAt = Number.NEGATIVE_INFINITY;
  /** What was told of slices last, so that it is said at once what a new metric means. */
  let known: ReadonlySet<string> = new Set();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let ended = false;

  function* slices(): Generator<HostMetric> {
    for (const { slice, sliver } of live().slice(0, MOST_SLICES)) {
      const recent = history.of(sliver);
      if (recent && uptime() - recent.at <= STALE_MILLISECONDS) yield* sliceMetrics(slice, recent);
    }
  }

  async function turn(): Promise<void> {
    const explains = uptime() >= explainAt;
    if (explains) explainAt = uptime() + METADATA_MILLISECONDS;
    const told = new Set<string>();
    await teller.tell(announceTo, () => packetsOf(of, facts, () => true));
    await teller.tell(slicesTo, () =>
      packetsOf(of, slices(), ({ name }) => {
        told.add(name);
        return explains || !known.has(name);
      }),
    );
    known = told;
    if (!ended) timer = setTimeout(round, everySeconds * 1000);
  }

  function round(): Promise<void> {
    clearTimeout(timer);
    running ??= turn().finally(() => {
      running = undefined;
    });
    return running;
  }

  void round();
  return {
    round,
    async [Symbol.asyncDispose]() {
      ended = true;
      clearTimeout(timer);
      await teller[Symbol.asyncDispose]();
      await running;
    },
  };
}

/** Made one by one as they are sent, so that many of them hold no call up. What they mean stands before those it must. */
function* packetsOf(
  of: HostName,
  metrics: Iterable<HostMetric>,
  explains: (metric: HostMetric) => boolean,
): Generator<Packet> {
  for (const metric of metrics) {
    if (explains(metric)) yield metadataPacket(of, metric);
    yield valuePacket(of, metric);
  }
}
