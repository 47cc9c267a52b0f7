import type { Readable } from "node:stream";
import { MOST_PAYLOAD, WINDOW } from "./frames.ts";

/** More is given to a reader only while it has less than this to read. */
export const UNREAD = WINDOW / 2;

/** What is sent to the agent for one stream: never more than it has room for. */
export class OutwardFlow {
  readonly #send: (bytes: Buffer) => void;
  #room = WINDOW;
  #abandoned = false;
  #proceed: (() => void) | undefined;

  constructor(send: (bytes: Buffer) => void) {
    this.#send = send;
  }

  /** The agent has used so much. */
  allow(bytes: number): void {
    this.#room = Math.min(WINDOW, this.#room + bytes);
    this.#proceed?.();
  }

  /** Nobody reads it any more: the rest is thrown away. */
  abandon(): void {
    this.#abandoned = true;
    this.#proceed?.();
  }

  /** One chunk at a time; `done` once all of it is on its way. */
  write(chunk: Buffer, done: () => void): void {
    let at = 0;
    this.#proceed = () => {
      while (at < chunk.length && this.#room > 0 && !this.#abandoned) {
        const part = chunk.subarray(at, at + Math.min(this.#room, MOST_PAYLOAD));
        this.#send(part);
        this.#room -= part.length;
        at += part.length;
      }
      if (at < chunk.length && !this.#abandoned) return;
      this.#proceed = undefined;
      done();
    };
    this.#proceed();
  }

  end(): void {
    this.#send(Buffer.alloc(0));
  }
}

/** What comes from the agent for one stream: it gets room for more as this is read. */
export class InwardFlow {
  readonly #reader: Readable;
  readonly #allow: (bytes: number) => void;
  #room = WINDOW;
  #owed = 0;
  #ended = false;

  constructor(reader: Readable, allow: (bytes: number) => void) {
    this.#reader = reader;
    this.#allow = allow;
  }

  /** No bytes are the end. False for more than was allowed. */
  give(bytes: Buffer): boolean {
    if (bytes.length > this.#room) return false;
    if (bytes.length === 0) this.end();
    if (this.#ended) return true;
    this.#room -= bytes.length;
    this.#owed += bytes.length;
    this.#reader.push(Buffer.from(bytes));
    return true;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reader.push(null);
  }

  /** Its reader wants more. */
  wanted(): void {
    if (this.#owed === 0 || this.#ended) return;
    this.#allow(this.#owed);
    this.#room += this.#owed;
    this.#owed = 0;
  }
}
