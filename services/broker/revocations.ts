import type { KeyName, PublicKey } from "#shared/identity/key.ts";
import type { ServiceIdentity } from "#shared/identity/service-identity.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database } from "#shared/runtime/database.ts";
import type { Log } from "#shared/runtime/log.ts";
import { type Rounds, startRounds } from "#shared/runtime/rounds.ts";
import { claimedList, type HeldList, openRevocations } from "#shared/wire/revocation-document.ts";
import { RevocationLists } from "#shared/wire/revocation-lists.ts";
import { agentSource, revocationPolling } from "#shared/wire/revocation-polling.ts";
import type { Connections } from "#shared/wire/xmlrpc/connections.ts";
import type { BrokerConfig } from "./config.ts";
import { saveList, storedLists } from "./store/revocations.ts";

export type BrokerRevocations = AsyncDisposable & {
  /** Whether the authority has revoked this key: asked at every call. */
  readonly isRevoked: (key: KeyName) => boolean;
  /** Lists whose next ones are missing, as the broker's operator is told of it. */
  concerns(now: Instant): string[];
  /** Asks all agents, as is done now and then. */
  poll(): Promise<void>;
};

type Parts = {
  readonly identity: Pick<ServiceIdentity, "trust" | "follow">;
  readonly database: Database;
  readonly connections: Connections;
  readonly clock: Clock;
  readonly log: Log;
};

/**
 * What a broker's agents say that the authority has revoked, verified by the broker itself and remembered over restarts.
 * Whom an agent revoked is that agent's to refuse. The broker speaks to nobody who is revoked either.
 */
export async function startRevocations(
  { agents, revocation_seconds: everySeconds }: Pick<BrokerConfig, "agents" | "revocation_seconds">,
  { identity, database, connections, clock, log }: Parts,
): Promise<BrokerRevocations> {
  const lists = new RevocationLists();
  /** The latest of each agent's own, so that they are not sent every time. */
  const passedOver = new Map<KeyName, string>();

  /** Undefined for a list of anybody who is no authority here, or is none any more. */
  function opened(signer: KeyName, document: string): HeldList | undefined {
    const key = identity.trust.keys.find(({ name }) => name === signer);
    return key && openRevocations(document, key, "authority");
  }

  async function load(): Promise<void> {
    for (const { signer, document } of await storedLists(database)) {
      const held = opened(signer, document);
      if (held) lists.put(held);
    }
  }

  async function take(document: string, from: PublicKey): Promise<void> {
    const { signer, id } = claimedList(document);
    if (signer === from.name) passedOver.set(signer, id);
    const held = opened(signer, document);
    if (!held || !lists.isNews(held)) return;
    // First: what was not written down is asked for again.
    await saveList(database, { signer, number: held.list.number, document }, clock.now());
    lists.put(held);
  }

  await load();
  connections.heed(lists.isRevoked);
  identity.follow(() => {
    // Who is not trusted any more may have lost its key to somebody who revokes everybody.
    lists.keep(identity.trust.keys.map(({ name }) => name));
    load().catch((err) => log.warn({ err }, "what is revoked could not be read; agents are asked for it"));
  });
  const terms = { held: () => [...lists.all.map(({ id }) => id), ...passedOver.values()], take, log };
  const rounds: Rounds[] = agents.map((agent) => {
    const { work, onFailure } = revocationPolling(agentSource(agent, connections), terms);
    return startRounds(work, { everyMs: everySeconds * 1000, onFailure });
  });
  return {
    isRevoked: lists.isRevoked,
    concerns: (now) => lists.concerns(now),
    async poll() {
      await Promise.all(rounds.map(({ round }) => round()));
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(rounds.map((one) => one[Symbol.asyncDispose]()));
    },
  };
}
