import type { PublicKey } from "#shared/identity/key.ts";
import type { ServiceIdentity } from "#shared/identity/service-identity.ts";
import { clientTlsOptions } from "#shared/identity/tls.ts";
import { startRounds } from "#shared/runtime/rounds.ts";
import { agentApi } from "#shared/wire/agent-api.ts";
import { revocationPolling, revocationSource } from "#shared/wire/revocation-polling.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import type { NodeManagerConfig } from "../config.ts";
import { type EndingDeps, endRevokedLeases } from "./ending.ts";

export type AskedAgents = EndingDeps & {
  readonly identity: ServiceIdentity;
  readonly config: Pick<NodeManagerConfig, "agents" | "revocationSeconds">;
};

/** Asks every agent of the node for what is revoked, each by itself: now, and in case it can't tell, over and over. */
export function askAgents({ identity, config, ...deps }: AskedAgents): AsyncDisposable {
  const { agents, revocationSeconds: everySeconds = 30 } = config;
  const parts = new AsyncDisposableStack();
  const connections = parts.use(new Connections(clientTlsOptions(identity.tls)));
  identity.follow((tls) => connections.renew(clientTlsOptions(tls)));
  const { revocations, log } = deps;
  for (const { identity: agent, url } of agents) {
    const source = revocationSource(
      agent,
      agentApi,
      { url, connections, expectedPeer: agent },
      (client, since, signal) => client.getrevocations({ since }, { signal }),
    );
    const terms = {
      held: () => revocations.held(),
      take: (list: string, key: PublicKey) => {
        if (revocations.take(list, { name: key.name, key })) endRevokedLeases(deps);
      },
      log,
    };
    const { work, onFailure } = revocationPolling(source, terms);
    parts.use(startRounds(work, { everyMs: everySeconds * 1000, onFailure }));
  }
  return parts;
}
