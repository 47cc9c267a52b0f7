import { Fault, refuseUnless } from "#shared/model/errors.ts";
import { shareOfOne } from "#shared/model/resources.ts";
import type { SliceDescription } from "#shared/model/slice-description.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database } from "#shared/runtime/database.ts";
import { type brokerApi, DEFAULT_WAIT_SECONDS } from "#shared/wire/broker-api.ts";
import { readSliceDescription } from "#shared/wire/slice-description.ts";
import type { Handlers } from "#shared/wire/xmlrpc/dispatch.ts";
import { isCallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import { advertised, countedTime } from "./acquisition/acquisition.ts";
import { DryRuns } from "./dry-runs.ts";
import { match } from "./matching/matching.ts";
import type { Intake } from "./pursuit/intake.ts";
import type { KnownAgents } from "./pursuit/known-agents.ts";
import type { News } from "./pursuit/news.ts";
import { findAcquisition, markTold } from "./store/acquisitions.ts";
import { asksOf } from "./store/asks.ts";
import { heldTickets } from "./store/tickets.ts";
import { acquisitionStruct, specificationStruct, type WholeAcquisition } from "./struct.ts";

/** What a broker says about itself. */
export type BrokerSelf = {
  /** 0 where there is none. */
  readonly ports: { readonly plain: number; readonly tls: number; readonly web: number };
  readonly broker: string;
  readonly version: string;
};

/** What the handlers hand on to. */
export type BrokerParts = {
  readonly database: Database;
  readonly agents: KnownAgents;
  readonly intake: Intake;
  readonly news: News;
  readonly clock: Clock;
  /** Has an acquisition worked at soon. */
  readonly nudge: (id: string) => void;
  readonly self: () => BrokerSelf;
};

export function brokerHandlers(parts: BrokerParts): Handlers<typeof brokerApi> {
  const { agents, intake, nudge, self } = parts;
  const dryRuns = new DryRuns();
  return {
    getconfig() {
      const { ports, broker, version } = self();
      const known = agents.addresses.map(({ identity, url }) => ({ identity, url }));
      return {
        port: ports.plain,
        sslport: ports.tls,
        httpport: ports.web,
        broker,
        agents: known,
        version,
      };
    },

    async findslice({ description: xml, holds = [], avoid = [], wanted, standby }, { peer, now }) {
      const description = readSliceDescription(xml);
      const during = countedTime(description.leaseSeconds, now);
      const specification = await dryRuns.run(peer.name, async () => {
        const { ads } = await answered(() => advertised(agents.advertising, during));
        return match(description, ads, now, {
          demand: shareOfOne(await resourcesOf(description, agents)),
          ruledOut: new Map([
            ...avoid.map((node) => [node, "is to be avoided"] as const),
            ...holds.map((node) => [node, "has the slice"] as const),
          ]),
          held: holds.map((node) => ({ node })),
          wanted,
          standby,
        });
      });
      return specificationStruct(specification);
    },

    async acquireslice(
      { request, wait_seconds = DEFAULT_WAIT_SECONDS, holds, avoid, ...rest },
      { peer, now },
    ) {
      const narrowing = { ...rest, held: holds, avoided: avoid };
      const { acquisition, begun } = await intake.accept(request, narrowing, peer.key, now);
      if (begun) nudge(acquisition.id);
      const whole = await whenOver(parts, acquisition.id, wait_seconds);
      const { fault, sentence } = whole.acquisition;
      if (fault) throw new Fault(fault, sentence ?? "");
      return acquisitionStruct(whole);
    },

    async getacquisition({ id, wait_seconds = 0 }, { peer }) {
      const found = await findAcquisition(parts.database, id);
      refuseUnless(
        found && found.principal === peer.name,
        "NO_SLICE",
        "you have no such acquisition here; an acquisition does not exist once it was forgotten, a day after its end",
      );
      return acquisitionStruct(await whenFurther(parts, id, wait_seconds));
    },
  };
}

async function resourcesOf({ resources }: SliceDescription, agents: KnownAgents) {
  return resources ?? (await answered(() => agents.anyFacts())).defaultResources;
}

/** That no agent answers is no answer of ours: it may pass. */
async function answered<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!isCallFailure(error) || error instanceof Fault) throw error;
    throw new Fault("BUSY", `no agent answers just now: ${error.message}; try again`, { cause: error });
  }
}

/** Waits until an acquisition is over, or so many seconds. */
async function whenOver(parts: BrokerParts, id: string, seconds: number): Promise<WholeAcquisition> {
  return await watched(parts, id, seconds, ({ acquisition }) => acquisition.state !== "working");
}

/** Waits until there is more to tell than at first, or so many seconds. */
async function whenFurther(parts: BrokerParts, id: string, seconds: number): Promise<WholeAcquisition> {
  let first: string | undefined;
  return await watched(parts, id, seconds, (whole) => {
    const { progress } = acquisitionStruct(whole);
    first ??= progress;
    return whole.acquisition.state !== "working" || progress !== first;
  });
}

/**
 * Looks at an acquisition whenever there is news of it, until `enough` or the time is up. Whoever gets to hear the end
 * is noted down first: from then on its tickets are its principal's to give back.
 */
async function watched(
  { database, news, clock }: BrokerParts,
  id: string,
  seconds: number,
  enough: (whole: WholeAcquisition) => boolean,
): Promise<WholeAcquisition> {
  const until = performance.now() + seconds * 1000;
  using listening = news.of(id);
  for (;;) {
    const left = until - performance.now();
    const whole = await wholeAcquisition(database, id, clock.now());
    if (left <= 0 || enough(whole)) return whole;
    await listening.within(left);
  }
}

/** All of it as it is now. Its end, if it has come to one, counts as told. */
async function wholeAcquisition(database: Database, id: string, now: Instant): Promise<WholeAcquisition> {
  return await database.transaction(
    async (tx) => {
      await markTold(tx, id, now);
      const acquisition = await findAcquisition(tx, id);
      if (!acquisition)
        throw new Fault("NO_SLICE", "the acquisition was forgotten meanwhile and does not exist");
      const asks = await asksOf(tx, id);
      const doubtful = asks.filter(({ state }) => state === "doubtful").length;
      return { acquisition, asks, tickets: await heldTickets(tx, id), doubtful };
    },
    { repeatable: true },
  );
}
