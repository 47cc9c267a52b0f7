import { setTimeout as pause } from "node:timers/promises";
import type { Lease } from "#shared/model/lease.ts";
import { type CallFailure, isCallFailure, TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import { type Effort, type Outcome, withinDeadline } from "../network/fan-out.ts";
import { openGateway } from "../ssh/gateway.ts";
import { answersIn, keeperCommand, keeperFault } from "./program-keeper.ts";

/** How reading a log ended. `pretended`: the engine only simulates, and there is none. */
export type LogEnd = "read" | "pretended";

export type LogWish = { readonly name: string; readonly lines: number; readonly follow: boolean };

/** Where a log goes, and who is told when a sliver that is followed is away and back. */
export type LogSink = {
  stdout(lease: Lease, chunk: Buffer): void | Promise<void>;
  lost(lease: Lease, failure: CallFailure): void;
  back(lease: Lease): void;
};

const FIRST_PAUSE_MILLISECONDS = 250;
const LONGEST_PAUSE_MILLISECONDS = 5_000;
const MOST_COMPLAINT = 500;

/** A place in the log of one program: after so many bytes of the log from the beginning of that answer. */
type Place = { readonly segment: string; offset: number };

/**
 * Reads the log of a program in many slivers at once, each on its own: one that hangs keeps nobody waiting. Followed
 * logs go on when a sliver, its node or the network between was away, from the very byte; they end when the program is
 * forgotten, or the slice's key is not let in any more.
 */
export async function readLogs(
  leases: readonly Lease[],
  wish: LogWish,
  privateKey: string,
  sink: LogSink,
  effort: Effort,
): Promise<Outcome<Lease, LogEnd>[]> {
  return await Promise.all(
    leases.map(async (lease): Promise<Outcome<Lease, LogEnd>> => {
      try {
        const reader = new LogReader(lease, wish, privateKey, sink, effort);
        await (wish.follow ? reader.follow() : reader.readOnce());
        return { ok: true, item: lease, value: reader.begun ? "read" : "pretended" };
      } catch (error) {
        if (effort.signal.aborted || !isCallFailure(error)) throw error;
        return { ok: false, item: lease, error };
      }
    }),
  );
}

class LogReader {
  readonly #lease: Lease;
  readonly #wish: LogWish;
  readonly #privateKey: string;
  readonly #sink: LogSink;
  readonly #effort: Effort;
  #place: Place | undefined;

  constructor(lease: Lease, wish: LogWish, privateKey: string, sink: LogSink, effort: Effort) {
    this.#lease = lease;
    this.#wish = wish;
    this.#privateKey = privateKey;
    this.#sink = sink;
    this.#effort = effort;
  }

  /** Whether the sliver ever answered with a log. */
  get begun(): boolean {
    return this.#place !== undefined;
  }

  async readOnce(): Promise<void> {
    await withinDeadline(`reading the log at ${this.#lease.ip}`, this.#effort, (signal) =>
      this.#read(signal),
    );
  }

  async follow(): Promise<void> {
    const { signal } = this.#effort;
    let [wait, away] = [FIRST_PAUSE_MILLISECONDS, false];
    for (;;) {
      try {
        await this.#read(signal, () => {
          if (away) this.#sink.back(this.#lease);
          [wait, away] = [FIRST_PAUSE_MILLISECONDS, false];
        });
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (!isCallFailure(error) || isFinal(error)) throw error;
        if (!away) this.#sink.lost(this.#lease, error);
        away = true;
      }
      await pause(wait, undefined, { signal });
      wait = Math.min(2 * wait, LONGEST_PAUSE_MILLISECONDS);
    }
  }

  /** One connection. `begun` is called when the sliver answers. */
  async #read(signal: AbortSignal, begun: () => void = () => undefined): Promise<void> {
    const { deadlineMs } = this.#effort;
    using gateway = await openGateway(this.#lease.ssh, this.#privateKey, { signal, deadlineMs });
    let complaint = "";
    let first: Buffer | undefined = Buffer.alloc(0);
    const code = await gateway.run({
      command: keeperCommand(this.#words()),
      stdout: async (chunk) => {
        let rest = chunk;
        if (first) {
          first = Buffer.concat([first, chunk]);
          const end = first.indexOf("\n");
          if (end === -1) return;
          this.#place = placeIn(first.subarray(0, end).toString("utf8"));
          rest = first.subarray(end + 1);
          first = undefined;
          begun();
        }
        if (!this.#place) return;
        await this.#sink.stdout(this.#lease, rest);
        this.#place.offset += rest.length;
      },
      stderr: (chunk) => {
        complaint = (complaint + chunk.toString("utf8")).slice(0, MOST_COMPLAINT);
      },
    });
    if (code !== 0) throw this.#endedWith(code, complaint);
  }

  /** What ended it was a signal or the node, and not the script itself: the sliver was ended, or is not back yet. */
  #endedWith(code: number, complaint: string): CallFailure {
    const away = code > 128 || code === CANNOT_RUN || (code === NOT_STARTED && this.#place !== undefined);
    return away
      ? new TransportError("broken", `${this.#lease.ip} stopped sending the log`)
      : keeperFault(code, complaint);
  }

  #words(): string[] {
    const { name, lines, follow } = this.#wish;
    const from = this.#place ? [this.#place.segment, String(this.#place.offset)] : [];
    return ["log", name, String(lines), follow ? "follow" : "end", ...from];
  }
}

/** Undefined for what only an engine says that pretends. */
function placeIn(line: string): Place | undefined {
  const [words = []] = answersIn(line);
  const [segment = "", offset = ""] = words;
  return /^\d+$/.test(segment) && /^\d+$/.test(offset) ? { segment, offset: Number(offset) } : undefined;
}

/** What the node's gateway answers while a sliver is not running, and while its processes are being ended. */
const CANNOT_RUN = 126;
const NOT_STARTED = 127;

function isFinal(error: CallFailure): boolean {
  return !(error instanceof TransportError) || error.kind === "wrong-peer";
}
