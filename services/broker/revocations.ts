import type { KeyName, PublicKey } from "#shared/identity/key.ts";
import type { ServiceIdentity } from "#shared/identity/service-identity.ts";
import type { Log } from "#shared/runtime/log.ts";
import { type Rounds, startRounds } from "#shared/runtime/rounds.ts";
import { claimedList, openRevocations } from "#shared/wire/revocation-document.ts";
import { RevocationLists } from "#shared/wire/revocation-lists.ts";
import { agentSource, revocationPolling } from "#shared/wire/revocation-polling.ts";
import type { Connections } from "#shared/wire/xmlrpc/connections.ts";
import type { BrokerConfig } from "./config.ts";

export type BrokerRevocations = AsyncDisposable & {
  /** Whether the authority has revoked this key: asked at every call. */
  readonly isRevoked: (key: KeyName) => boolean;
  /** Asks all agents, as is done now and then. */
  poll(): Promise<void>;
};

type Parts = {
  readonly identity: Pick<ServiceIdentity, "trust" | "follow">;
  readonly connections: Connections;
  readonly log: Log;
};

/**
 * What a broker's agents say that the authority has revoked, verified by the broker itself. Whom an agent revoked is
 * that agent's to refuse. Nothing is kept: without its agents a broker can get nobody anything.
 */
export function startRevocations(
  { agents, revocation_seconds: everySeconds }: Pick<BrokerConfig, "agents" | "revocation_seconds">,
  { identity, connections, log }: Parts,
): BrokerRevocations {
  const lists = new RevocationLists();
  // Who is not trusted any more may have lost its key to somebody who revokes everybody.
  identity.follow(() => lists.keep(identity.trust.keys.map(({ name }) => name)));
  /** The latest of each agent's own, so that they are not sent every time. */
  const passedOver = new Map<KeyName, string>();

  function take(document: string, from: PublicKey): void {
    const { signer: name, id } = claimedList(document);
    if (name === from.name) passedOver.set(name, id);
    const key = identity.trust.keys.find((authority) => authority.name === name);
    if (!key) return;
    const held = {
      signer: "authority",
      key,
      document,
      ...openRevocations(document, key, "authority"),
    } as const;
    if (lists.isNews(held)) lists.put(held);
  }

  const terms = { held: () => [...lists.all.map(({ id }) => id), ...passedOver.values()], take, log };
  const rounds: Rounds[] = agents.map((agent) => {
    const { work, onFailure } = revocationPolling(agentSource(agent, connections), terms);
    return startRounds(work, { everyMs: everySeconds * 1000, onFailure });
  });
  return {
    isRevoked: lists.isRevoked,
    async poll() {
      await Promise.all(rounds.map(({ round }) => round()));
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(rounds.map((one) => one[Symbol.asyncDispose]()));
    },
  };
}
