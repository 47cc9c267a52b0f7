import type { Log } from "#shared/runtime/log.ts";
import type { Target } from "#shared/wire/ganglia/target.ts";
import type { Teller } from "#shared/wire/ganglia/teller.ts";
import type { OwnHost } from "./own-host.ts";

export type AnnouncerOptions = {
  readonly own: OwnHost;
  readonly teller: Teller;
  readonly targets: readonly Target[];
  readonly everySeconds: number;
  /** How often it is told again what the metrics mean, for those who were not there. */
  readonly metadataSeconds: number;
  readonly uptime: () => number;
  readonly log: Log;
};

export type Announcer = AsyncDisposable & {
  /** Looks at the node and tells everybody, now; joins the round that is under way. */
  round(): Promise<void>;
  /** The next round says what the metrics mean. */
  explain(): void;
};

/** Looks at the node over and over, and announces what it finds. Resolves after the first look. */
export async function startAnnouncer(options: AnnouncerOptions): Promise<Announcer> {
  const { own, teller, targets, everySeconds, metadataSeconds, uptime, log } = options;
  let explainAt = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let ended = false;
  const looked = Promise.withResolvers<void>();

  async function look(): Promise<void> {
    try {
      const { metadata, values } = await own.look().finally(looked.resolve);
      const explains = uptime() >= explainAt;
      if (explains) explainAt = uptime() + metadataSeconds * 1000;
      await teller.tell(targets, () => (explains ? [...metadata, ...values] : values));
    } catch (err) {
      log.warn({ err }, "the node could not be read");
    }
    if (!ended) timer = setTimeout(round, everySeconds * 1000);
  }

  function round(): Promise<void> {
    clearTimeout(timer);
    running ??= look().finally(() => {
      running = undefined;
    });
    return running;
  }

  void round();
  await looked.promise; // not for those who are told: a resolver may hang
  return {
    round,
    explain: () => {
      explainAt = Number.NEGATIVE_INFINITY;
    },
    async [Symbol.asyncDispose]() {
      ended = true;
      clearTimeout(timer);
      await running;
    },
  };
}
