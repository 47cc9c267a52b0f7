import { hostAndPort } from "#shared/model/address.ts";
import { Fault } from "#shared/model/errors.ts";
import type { Log } from "#shared/runtime/log.ts";
import type { Work } from "../background.ts";
import { recordAnswer, recordFailure } from "../store/monitors/monitors.ts";
import { takeTurns } from "../store/monitors/turns.ts";
import type { DumpAddress } from "./dump-connection.ts";
import { isStoreFailure, type PollParts, poll } from "./poll.ts";

export type MonitorsParts = PollParts & {
  readonly log: Log;
  readonly addresses: readonly DumpAddress[];
  /** How often each is polled, by whichever agent of this database comes first. */
  readonly everySeconds: number;
};

const TURN = "poll ";

/**
 * The monitors that tell this agent how nodes are. Each is polled by itself: one that hangs, lies or is gone keeps none
 * of the others. Several agents on one database share the polls, turn by turn, so that none has to be the first.
 */
export class Monitors {
  readonly #parts: MonitorsParts;
  readonly #addresses: ReadonlyMap<string, DumpAddress>;
  readonly #underway = new Map<string, PromiseWithResolvers<void>>();
  readonly #failing = new Set<string>();

  constructor(parts: MonitorsParts) {
    this.#parts = parts;
    this.#addresses = new Map(
      parts.addresses.map((address) => [hostAndPort(address.host, address.port), address]),
    );
  }

  get names(): string[] {
    return [...this.#addresses.keys()];
  }

  /** The polls that are due and that are now this agent's to make, each by itself. */
  async due(): Promise<Work[]> {
    const { database, clock, everySeconds } = this.#parts;
    const free = this.names.filter((name) => !this.#underway.has(name));
    if (free.length === 0) return [];
    const turns = free.map((name) => TURN + name);
    const now = clock.now();
    const taken = await takeTurns(database, turns, everySeconds, now);
    return taken.map((turn) => {
      const name = turn.slice(TURN.length);
      const ended = Promise.withResolvers<void>();
      this.#underway.set(name, ended);
      return (signal) =>
        this.#poll(name, now, signal).finally(() => {
          this.#underway.delete(name);
          ended.resolve();
        });
    });
  }

  /** Resolves when the polls that are underway here have ended, well or not. */
  async settled(): Promise<void> {
    await Promise.all([...this.#underway.values()].map(({ promise }) => promise));
  }

  async #poll(monitor: string, polled: number, signal: AbortSignal): Promise<void> {
    const { database, clock, log } = this.#parts;
    try {
      const count = await poll(this.#parts, this.#addresses.get(monitor)!, { monitor, polled }, signal);
      await recordAnswer(database, monitor, count, clock.now());
      if (this.#failing.delete(monitor)) log.info({ monitor }, "a monitor answers again");
    } catch (error) {
      if (signal.aborted || isStoreFailure(error)) throw error;
      await recordFailure(database, monitor, sentenceOf(error, this.#parts), clock.now());
      if (!this.#failing.has(monitor)) log.warn({ err: error, monitor }, "a monitor could not be read");
      this.#failing.add(monitor);
    }
  }
}

/** What an operator is told. A defect of ours is thrown on instead. */
function sentenceOf(error: unknown, { limits }: MonitorsParts): string {
  if (error instanceof Fault) return error.sentence;
  if (error instanceof DOMException && error.name === "TimeoutError")
    return `no whole dump came within ${limits.milliseconds / 1000} s`;
  if (error instanceof Error && "code" in error) return `it could not be reached: ${error.code}`;
  throw error;
}
