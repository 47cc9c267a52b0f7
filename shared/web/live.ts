import { createHash } from "node:crypto";
import type { ServerResponse } from "node:http";
import { Fault } from "../model/errors.ts";
import type { Log } from "../runtime/log.ts";

/** The parts of a page as HTML, by the ids they have there. */
export type Sections = ReadonlyMap<string, string>;

export type LiveTerms = {
  /** From the end of one look at the watched pages to the next, in milliseconds. */
  readonly everyMs: number;
  /** How many of one pool may watch at once, and how many of one client. */
  readonly watchers: number;
  readonly watchersOfClient: number;
  readonly log: Log;
};

/** Whose place a watcher takes. Pools have places of their own: who is in one keeps nobody of another out. */
export type Place = {
  readonly pool: string;
  /** The name of a key, or an address. */
  readonly client: string;
};

/** Somebody who watches a page. */
export type Watcher = Place & {
  readonly response: ServerResponse;
  /** The same page seen by the same viewer: what has one key is made once for all who watch it. */
  readonly key: string;
  /**
   * Reads the page as it is now for this watcher, and gives what writes it; undefined where there is none any more.
   * Throws where it is not to be seen.
   */
  readonly page: () => Promise<(() => Sections) | undefined>;
};

/** Five seconds are soon enough for a person, and cheap. */
export const EVERY_MILLISECONDS = 5_000;
export const WATCHERS = 64;
export const WATCHERS_OF_CLIENT = 16;

/** Looking takes at most about a tenth of the time: the dearer the pages are, the more seldom they are looked at. */
const REST = 9;
/** A watcher that has not taken what it was sent is sent nothing more until it has. */
const UNREAD_BYTES = 1 << 20;

type Stream = Watcher & { readonly sent: Map<string, string> };

/**
 * Tells browsers of pages that change while they are looked at, as server-sent events. Each event has the parts of the
 * page that are otherwise than this watcher last had them, whole; the first one after joining has all. Pages are made
 * anew only while somebody watches, once for all who watch the same.
 */
export class LivePages implements Disposable {
  readonly #terms: LiveTerms;
  readonly #streams = new Set<Stream>();
  #timer: NodeJS.Timeout | undefined;
  #turns: Promise<void> = Promise.resolve();
  #ended = false;

  constructor(terms: LiveTerms) {
    this.#terms = terms;
  }

  get watchers(): number {
    return this.#streams.size;
  }

  /** Whether one more may watch: otherwise its client has as many as it may, or all places are taken. */
  roomFor({ pool, client }: Place): "room" | "client full" | "all full" {
    const { watchers, watchersOfClient } = this.#terms;
    const others = [...this.#streams].filter((stream) => stream.pool === pool);
    if (others.filter((stream) => stream.client === client).length >= watchersOfClient) return "client full";
    return this.#ended || others.length >= watchers ? "all full" : "room";
  }

  /** Tells this watcher, on a response whose head was sent, until either side ends it. */
  add(watcher: Watcher): void {
    const stream: Stream = { ...watcher, sent: new Map() };
    this.#streams.add(stream);
    watcher.response.once("close", () => this.#drop(stream));
    // What went wrong with a connection is told by its end.
    watcher.response.on("error", () => this.#drop(stream));
    void this.#tell([stream]);
    this.#timer ??= setTimeout(() => this.#look(), this.#terms.everyMs);
  }

  async #look(): Promise<void> {
    const begun = performance.now();
    const watched = Map.groupBy(this.#streams, ({ key }) => key);
    await Promise.all([...watched.values()].map((streams) => this.#tell(streams)));
    const pause = Math.max(this.#terms.everyMs, REST * (performance.now() - begun));
    this.#timer = this.#streams.size > 0 ? setTimeout(() => this.#look(), pause) : undefined;
  }

  /** All of one key. */
  async #tell(streams: readonly Stream[]): Promise<void> {
    try {
      const page = await streams[0]!.page();
      await this.#turn();
      const event = page ? partsEvent(page()) : () => eventText("gone", {});
      for (const stream of streams) {
        if (this.#streams.has(stream) && !isBehind(stream)) stream.response.write(event(stream.sent));
      }
    } catch (error) {
      this.#terms.log.debug({ err: error }, "a page that is watched could not be made");
      const away = error instanceof Fault && error.name === "STORE_DOWN";
      for (const stream of streams) {
        if (!away) this.#drop(stream);
        else if (!isBehind(stream)) stream.response.write(eventText("away", {}));
      }
    }
  }

  /** Pages that were read together are written one by one, so that calls come in between. */
  #turn(): Promise<void> {
    this.#turns = this.#turns.then(() => new Promise((resolve) => setImmediate(resolve)));
    return this.#turns;
  }

  #drop(stream: Stream): void {
    this.#streams.delete(stream);
    stream.response.end();
  }

  /** Ends all that are watched. */
  [Symbol.dispose](): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    for (const stream of this.#streams) this.#drop(stream);
  }
}

function isBehind({ response }: Stream): boolean {
  return response.writableLength > UNREAD_BYTES;
}

/**
 * What to send to a watcher that was sent parts of these digests, which are then brought up to date. Most watchers have
 * the same, and get the same text.
 */
function partsEvent(sections: Sections): (sent: Map<string, string>) => string {
  const ids = [...sections.keys()];
  const digests = ids.map(
    (id) => [id, createHash("sha256").update(sections.get(id)!).digest("base64")] as const,
  );
  const texts = new Map<string, string>();
  return (sent) => {
    const changed = digests.filter(([id, digest]) => sent.get(id) !== digest);
    sent.clear();
    for (const [id, digest] of digests) sent.set(id, digest);
    const key = changed.map(([id]) => id).join(" ");
    const parts = () => Object.fromEntries(changed.map(([id]) => [id, sections.get(id)]));
    const text = texts.get(key) ?? eventText("parts", { ids, parts: parts() });
    texts.set(key, text);
    return text;
  };
}

/** JSON has no line ends, so that it is one line of data. */
function eventText(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
