import { join } from "node:path";
import { z } from "zod";
import type { Instant } from "#shared/model/time.ts";
import { readIfPresent, writeDurably } from "#shared/runtime/durable-file.ts";
import type { Log } from "#shared/runtime/log.ts";
import { type Rounds, startRounds } from "#shared/runtime/rounds.ts";
import type { StoredLease } from "../store/lease-rows.ts";
import type { UsageHistory } from "./history.ts";
import { FINE_SECONDS, type Moment, type PastSpan, remembered, together } from "./past.ts";

export type NodePastDeps = {
  readonly live: () => readonly StoredLease[];
  readonly history: UsageHistory;
  /** By the node's clock. */
  readonly now: () => Instant;
  readonly log: Log;
};

const EVERY_MILLISECONDS = 60_000;
/** Longer than this since the moment before, and what was between nobody knows. */
const MISSED_SECONDS = 150;

const known = z.number().min(0).optional();
const span = z.object({
  ...{ start: z.number(), end: z.number(), leases: z.number() },
  ...{ leasedCpuMillis: z.number(), leasedMemoryMib: z.number(), begun: z.number(), ended: z.number() },
  ...{ cpuMillis: known, memoryMib: known, receivedKbps: known, sentKbps: known },
});
const file = z.object({ version: z.literal(1), spans: z.array(span).max(10_000) });

/**
 * How a node was over the last two days, kept in a file beside its store. It is for looking at: where the file cannot be
 * read, or written, that is logged and nothing else fails. Some hundred and sixty spans at most.
 */
export class NodePast {
  readonly #path: string;
  #spans: readonly PastSpan[];
  #moments: Moment[] = [];
  #begun: Instant | undefined;
  #last: Instant | undefined;
  #leases: ReadonlySet<string> | undefined;

  private constructor(path: string, spans: readonly PastSpan[]) {
    this.#path = path;
    this.#spans = spans;
  }

  static async open(state: string, log: Log): Promise<NodePast> {
    const path = join(state, "history.json");
    try {
      const bytes = await readIfPresent(path);
      const spans = bytes ? file.parse(JSON.parse(bytes.toString("utf8"))).spans : [];
      return new NodePast(path, spans);
    } catch (err) {
      // Whatever is wrong with it or with the disk: it is for looking at, and no reason not to serve.
      log.warn({ err, path }, "the node's past could not be read: it begins anew");
      return new NodePast(path, []);
    }
  }

  /** The oldest first. */
  get spans(): readonly PastSpan[] {
    return this.#spans;
  }

  /** Looks every minute, until it is disposed of. */
  start(deps: NodePastDeps): Rounds {
    return startRounds(() => this.look(deps), {
      everyMs: EVERY_MILLISECONDS,
      onFailure: (err) => deps.log.warn({ err, path: this.#path }, "the node's past could not be kept"),
    });
  }

  /** Notes what is so now, and every five minutes what was so in them. */
  async look({ live, history, now: clock }: NodePastDeps): Promise<void> {
    const [now, leases] = [clock(), live()];
    const missed = this.#last === undefined || now <= this.#last || now - this.#last > MISSED_SECONDS;
    if (missed) {
      this.#begun = now;
      this.#moments = [];
      this.#leases = undefined;
    }
    const serials = new Set(leases.map(({ serial }) => serial));
    const before = this.#leases ?? serials;
    this.#leases = serials;
    this.#last = now;
    if (missed) return;
    const begun = serials.difference(before).size;
    const ended = before.difference(serials).size;
    this.#moments.push({ ...momentOf(leases, history), begun, ended });
    if (now - this.#begun! < FINE_SECONDS) return;
    this.#spans = remembered(this.#spans, together(this.#moments, this.#begun!, now));
    this.#moments = [];
    this.#begun = now;
    await writeDurably(this.#path, JSON.stringify({ version: 1, spans: this.#spans }));
  }
}

/** A sliver that no engine told of yet adds nothing; where none was told of, nothing is known. */
function momentOf(leases: readonly StoredLease[], history: UsageHistory): Omit<Moment, "begun" | "ended"> {
  const sum = <Row>(rows: readonly Row[], of: (row: Row) => number) =>
    rows.reduce((all, row) => all + of(row), 0);
  const seen = leases.flatMap(({ sliver }) => history.of(sliver) ?? []);
  const promised = {
    leases: leases.length,
    leasedCpuMillis: sum(leases, ({ resources }) => resources.cpuMillis),
    leasedMemoryMib: sum(leases, ({ resources }) => resources.memoryMib),
  };
  if (leases.length > 0 && seen.length === 0) return promised;
  return {
    ...promised,
    cpuMillis: sum(seen, ({ processors }) => processors * 1000),
    memoryMib: sum(seen, ({ usage }) => usage.memoryBytes / 2 ** 20),
    receivedKbps: sum(seen, ({ received: [rate] }) => rate / 125),
    sentKbps: sum(seen, ({ sent: [rate] }) => rate / 125),
  };
}
