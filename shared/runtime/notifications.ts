import pg from "pg";
import type { Log } from "./log.ts";

export type NotificationOptions = {
  /** Of the PostgreSQL. */
  readonly url: string;
  /** A name without spaces: what `pg_notify` is given. */
  readonly channel: string;
  readonly onMessage: (payload: string) => void;
  /** After an interruption in which messages may have been missed. */
  readonly onGap: () => void;
  readonly log: Log;
};

const RECONNECT_MILLISECONDS = 1_000;
const CHANNEL = /^[a-z][a-z0-9_]{0,62}$/;

/**
 * Hears what other processes tell over a PostgreSQL (LISTEN and NOTIFY) on a connection of its own, made again whenever
 * it breaks. Starts also while the database cannot be reached. Messages are hints: whoever needs to know looks.
 */
export async function listenForNotifications(options: NotificationOptions): Promise<AsyncDisposable> {
  if (!CHANNEL.test(options.channel)) throw new TypeError(`"${options.channel}" is not a name for a channel`);
  let [client, timer]: [pg.Client | undefined, NodeJS.Timeout | undefined] = [undefined, undefined];
  let ended = false;

  async function connect(): Promise<void> {
    const mine = new pg.Client({ connectionString: options.url, keepAlive: true });
    client = mine;
    mine.on("error", () => again(mine));
    mine.on("end", () => again(mine));
    mine.on("notification", ({ payload }) => options.onMessage(payload ?? ""));
    try {
      await mine.connect();
      await mine.query(`listen ${options.channel}`);
    } catch (error) {
      options.log.warn({ err: error }, "news from other processes cannot be heard just now");
      again(mine);
    }
  }

  function again(lost: pg.Client): void {
    if (ended || client !== lost) return;
    client = undefined;
    lost.end().catch((err) => options.log.debug({ err }, "a broken connection was not closed"));
    timer = setTimeout(() => void connect().then(options.onGap), RECONNECT_MILLISECONDS);
  }

  await connect();
  return {
    async [Symbol.asyncDispose]() {
      ended = true;
      clearTimeout(timer);
      await client?.end().catch((err) => options.log.debug({ err }, "a connection was not closed"));
    },
  };
}
