import type { Log } from "#shared/runtime/log.ts";
import { type Rounds, startRounds } from "#shared/runtime/rounds.ts";
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

/** More slivers than that are not told of. */
const MOST_SLICES = 500;
/** How often it is said again what slices' metrics mean, for monitors that were not there. */
const METADATA_MILLISECONDS = 60_000;
/** What an engine said so long ago is no news: the slice's metrics are left to age. */
const STALE_MILLISECONDS = 60_000;

/**
 * Tells monitors, round by round, as Ganglia metrics, that the node manager lives and what each slice uses (docs/reference/node-manager.md).
 * Nothing is asked for it: use is as the sampler last saw it. Nobody who is told can say anything back.
 */
export function startAnnouncer(options: AnnouncerOptions): Rounds {
  const { of, announceTo, slicesTo, everySeconds, live, history, uptime, log } = options;
  const facts = nodeManagerMetrics(options.node, options.started);
  const teller = openTeller((err, target) => log.warn({ err, ...target }, "a monitor could not be told"));
  let explainAt = Number.NEGATIVE_INFINITY;
  /** What was told of slices last, so that it is said at once what a new metric means. */
  let known: ReadonlySet<string> = new Set();

  function* slices(): Generator<HostMetric> {
    for (const { slice, sliver } of live().slice(0, MOST_SLICES)) {
      const recent = history.of(sliver);
      if (recent && uptime() - recent.at <= STALE_MILLISECONDS) yield* sliceMetrics(slice, recent);
    }
  }

  async function tell(): Promise<void> {
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
  }

  const rounds = startRounds(tell, {
    everyMs: everySeconds * 1000,
    onFailure: (err) => log.warn({ err }, "monitors could not be told of the node"),
  });
  return {
    round: rounds.round,
    async [Symbol.asyncDispose]() {
      const last = rounds[Symbol.asyncDispose]();
      await teller[Symbol.asyncDispose]();
      await last;
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
