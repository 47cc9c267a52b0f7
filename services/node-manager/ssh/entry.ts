import type { Duplex, Transform } from "node:stream";
import type { ServerChannel } from "ssh2";
import type { Command, ListeningPort, RunningCommand } from "../backends/backend.ts";

/** What somebody who has entered a slice may do there, for as long as the connection lasts. */
export type Entry = {
  readonly slice: string;
  /** What tells the sliver where the client is, in sshd's variables. */
  readonly env: Readonly<Record<string, string>>;
  /** Aborted when the connection is over. */
  readonly gone: AbortSignal;
  /** Why nothing more may be begun over this connection, as a sentence, if that is so. */
  refusal(): string | undefined;
  /** Takes a place for one more command, or for one more forwarded connection; gives back how to leave it. */
  enter(what: "command" | "forwarding"): (() => void) | undefined;
  exec(command: Command): Promise<RunningCommand>;
  /** A place in the pipe of everything that goes to the client; and what guards a channel of its. */
  pace(): Transform;
  guard(channel: ServerChannel): void;
  /** As in `Backend`; undefined when the sliver's engine can't. */
  connect(host: string, port: number): Promise<Duplex | undefined>;
  listen(port: number): Promise<ListeningPort | undefined>;
  log(event: string, details: Readonly<Record<string, unknown>>): void;
};

/** How many there are of something in each slice, and may be at most. */
export class Places {
  readonly #most: number;
  readonly #taken = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Takes a place; undefined when there is none left. The place is given back once, however often it is asked. */
  take(slice: string): (() => void) | undefined {
    const taken = this.#taken.get(slice) ?? 0;
    if (taken >= this.#most) return undefined;
    this.#taken.set(slice, taken + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const now = this.#taken.get(slice)! - 1;
      if (now === 0) this.#taken.delete(slice);
      else this.#taken.set(slice, now);
    };
  }
}
