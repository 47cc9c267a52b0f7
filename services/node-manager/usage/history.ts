import type { SliverId, Usage } from "../backends/backend.ts";

/** Something that only grows, per second, over the last minute, five and fifteen: as load averages are told. */
export type Rates = readonly [one: number, five: number, fifteen: number];

/** What a sliver uses, as it was last seen, and how fast. */
export type RecentUsage = {
  readonly usage: Usage;
  /** Bytes a second. */
  readonly sent: Rates;
  readonly received: Rates;
  /** Processors, over the last minute: 1 is one of them all the time. */
  readonly processors: number;
  /** When it was last seen, in milliseconds of the clock that nobody can set. */
  readonly at: number;
};

/** What has been counted since the sliver was first seen; a sliver that started again counts on. */
type Totals = { readonly cpuMicroseconds: number; readonly sent: number; readonly received: number };
type Sample = { readonly at: number; readonly totals: Totals };
type Seen = { readonly usage: Usage; readonly samples: readonly Sample[] };

const MINUTE = 60_000;
const WINDOWS = [MINUTE, 5 * MINUTE, 15 * MINUTE] as const;
const NOTHING: Totals = { cpuMicroseconds: 0, sent: 0, received: 0 };
/** Enough for the longest window at one in fifteen seconds; with more of them it is shorter. */
const MOST_SAMPLES = 61;

/**
 * What slivers used in the last quarter of an hour. Holds at most some sixty small samples of each sliver that was in
 * the last round. Times are in milliseconds of a clock that nobody can set.
 */
export class UsageHistory {
  readonly #slivers = new Map<SliverId, Seen>();

  record(id: SliverId, usage: Usage, at: number): void {
    const seen = this.#slivers.get(id);
    const last = seen?.samples.at(-1);
    const totals = seen && last ? grown(last.totals, seen.usage, usage) : NOTHING;
    const samples = [...(seen?.samples ?? []), { at, totals }].slice(-MOST_SAMPLES);
    this.#slivers.set(id, { usage, samples });
  }

  /** Forgets slivers that are not there any more. */
  keep(ids: ReadonlySet<SliverId>): void {
    for (const id of this.#slivers.keys()) if (!ids.has(id)) this.#slivers.delete(id);
  }

  /** Undefined of a sliver that was never seen. With one sample, or none in a window, nothing is known to move. */
  of(id: SliverId): RecentUsage | undefined {
    const seen = this.#slivers.get(id);
    if (!seen) return undefined;
    const rates = (part: keyof Totals) => WINDOWS.map((window) => rate(seen.samples, window, part));
    return {
      usage: seen.usage,
      sent: rates("sent") as unknown as Rates,
      received: rates("received") as unknown as Rates,
      processors: rates("cpuMicroseconds")[0]! / 1e6,
      at: seen.samples.at(-1)!.at,
    };
  }
}

/** Counters run from a sliver's last start: one that is lower than before began again. */
function grown(totals: Totals, before: Usage, now: Usage): Totals {
  const more = (count: (usage: Usage) => number) => {
    const [old, current] = [count(before), count(now)];
    return current >= old ? current - old : current;
  };
  return {
    cpuMicroseconds: totals.cpuMicroseconds + more((usage) => usage.cpuMicroseconds),
    sent: totals.sent + more((usage) => usage.network?.sent.bytes ?? 0),
    received: totals.received + more((usage) => usage.network?.received.bytes ?? 0),
  };
}

/** Per second, from the last sample back to the one nearest to the window's beginning that is inside it. */
function rate(samples: readonly Sample[], window: number, part: keyof Totals): number {
  const last = samples.at(-1)!;
  const first = samples.find(({ at }) => at >= last.at - window)!;
  const milliseconds = last.at - first.at;
  return milliseconds > 0 ? ((last.totals[part] - first.totals[part]) * 1000) / milliseconds : 0;
}
