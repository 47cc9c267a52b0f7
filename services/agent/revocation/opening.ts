import type { KeyName, PublicKey } from "#shared/identity/key.ts";
import type { ServiceIdentity } from "#shared/identity/service-identity.ts";
import { hostAndPort } from "#shared/model/address.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import { startConcerns } from "#shared/runtime/concerns.ts";
import type { Database } from "#shared/runtime/database.ts";
import type { Log } from "#shared/runtime/log.ts";
import { listenForNotifications } from "#shared/runtime/notifications.ts";
import { startRounds } from "#shared/runtime/rounds.ts";
import { authorityApi } from "#shared/wire/authority-api.ts";
import { nodeManagerApi } from "#shared/wire/node-manager-api.ts";
import { claimedList } from "#shared/wire/revocation-document.ts";
import {
  agentSource,
  type RevocationSource,
  revocationPolling,
  revocationSource,
} from "#shared/wire/revocation-polling.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import type { Connections } from "#shared/wire/xmlrpc/connections.ts";
import type { AgentConfig } from "../config.ts";
import { REVOCATIONS_CHANNEL } from "../store/revocations.ts";
import { Distribution, type TellNode } from "./distribution.ts";
import { Revocations } from "./revocations.ts";

export type OpeningParts = {
  readonly identity: ServiceIdentity;
  readonly database: Database;
  readonly connections: Connections;
  readonly clock: Clock;
  readonly log: Log;
};

/** A node that takes longer has something else than a list to deal with, and asks by itself when it is done. */
const TELL_TIMEOUT_MS = 5_000;

/**
 * What an agent needs to know and to tell what is revoked: it listens to the other processes on its database, and asks
 * the authority where it serves, and the agents it holds nodes through, which may have heard of a list before it.
 */
export async function openRevocations(
  config: Pick<AgentConfig, "database" | "authority" | "agents" | "revocation_seconds">,
  { identity, database, connections, clock, log }: OpeningParts,
  owned: AsyncDisposableStack,
): Promise<{ readonly revocations: Revocations; readonly distribution: Distribution }> {
  const { signingKey } = identity;
  const authorities = () => identity.trust.keys;
  const revocations = await Revocations.open({ database, clock, signingKey, authorities });
  owned.use(startConcerns(log, () => revocations.concerns(clock.now())));
  connections.heed(revocations.isRevoked);
  const distribution = new Distribution({ database, revocations, tell: tellNode(connections), log });
  const load = () => {
    revocations
      .load()
      .catch((err) => log.warn({ err }, "what is revoked could not be read; it is tried again"));
  };
  identity.follow(load);
  const listening = { url: config.database, channel: REVOCATIONS_CHANNEL, onMessage: load, onGap: load, log };
  owned.use(await listenForNotifications(listening));
  const terms = {
    held: () => revocations.all.map(({ id }) => id),
    take: (list: string, from: PublicKey) =>
      takeFrom(list, from, { revocations, distribution, self: identity.name }),
    log,
  };
  for (const source of sourcesOf(config, connections)) {
    const { work, onFailure } = revocationPolling(source, terms);
    owned.use(startRounds(work, { everyMs: config.revocation_seconds * 1000, onFailure }));
  }
  return { revocations, distribution };
}

/** The authority, where it serves, and the agents that this one holds nodes through. */
function sourcesOf(
  { authority, agents }: Pick<AgentConfig, "authority" | "agents">,
  connections: Connections,
): RevocationSource[] {
  const ofAgents = agents.map((agent) => agentSource(agent, connections));
  if (!authority) return ofAgents;
  const ofAuthority = revocationSource(
    "authority",
    authorityApi,
    { url: authority.url, connections, expectedPeer: authority.identity },
    async (client, _, signal) => {
      const list = await client.getrevocations({}, { signal });
      return list === null ? [] : [list];
    },
  );
  return [ofAuthority, ...ofAgents];
}

type Takers = {
  readonly revocations: Revocations;
  readonly distribution: Distribution;
  readonly self: KeyName;
};

/** What another agent revoked of its own is between it and the nodes. */
async function takeFrom(
  list: string,
  from: PublicKey,
  { revocations, distribution, self }: Takers,
): Promise<void> {
  const known = revocations.all.some(({ document }) => document === list);
  if (known || claimedList(list).signer === from.name) return;
  if (await revocations.take(list, self)) await distribution.scan();
}

function tellNode(connections: Connections): TellNode {
  return async ({ node, ip, sslport }, list, signal) => {
    const url = `https://${hostAndPort(ip, sslport)}/RPC2`;
    const terms = { url, connections, expectedPeer: node, timeoutMs: TELL_TIMEOUT_MS };
    return await xmlRpcClient(nodeManagerApi, terms).postrevocations({ list }, { signal });
  };
}
