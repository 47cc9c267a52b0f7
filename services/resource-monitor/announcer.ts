import type { Log } from "#shared/runtime/log.ts";
import { type Rounds, startRounds } from "#shared/runtime/rounds.ts";
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

export type Announcer = Rounds & {
  /** The next round says what the metrics mean. */
  explain(): void;
};

/** Looks at the node, round by round, and announces what it finds. Resolves after the first look. */
export async function startAnnouncer(options: AnnouncerOptions): Promise<Announcer> {
  const { own, teller, targets, everySeconds, metadataSeconds, uptime, log } = options;
  let explainAt = Number.NEGATIVE_INFINITY;
  const looked = Promise.withResolvers<void>();

  async function look(): Promise<void> {
    const { metadata, values } = await own.look().finally(looked.resolve);
    const explains = uptime() >= explainAt;
    if (explains) explainAt = uptime() + metadataSeconds * 1000;
    await teller.tell(targets, () => (explains ? [...metadata, ...values] : values));
  }

  const rounds = startRounds(look, {
    everyMs: everySeconds * 1000,
    onFailure: (err) => log.warn({ err }, "the node could not be read"),
  });
  await looked.promise; // not for those who are told: a resolver may hang
  return {
    ...rounds,
    explain: () => {
      explainAt = Number.NEGATIVE_INFINITY;
    },
  };
}
