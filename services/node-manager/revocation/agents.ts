import type { PublicKey } from "#shared/identity/key.ts";
import { startRounds } from "#shared/runtime/rounds.ts";
import { agentSource, revocationPolling } from "#shared/wire/revocation-polling.ts";
import type { Connections } from "#shared/wire/xmlrpc/connections.ts";
import type { NodeManagerConfig } from "../config.ts";
import { type EndingDeps, endRevokedLeases } from "./ending.ts";

export type AskedAgents = EndingDeps & {
  readonly connections: Connections;
  readonly config: Pick<NodeManagerConfig, "agents" | "revocationSeconds">;
};

/** Asks every agent of the node for what is revoked, each by itself: now, and in case it can't tell, over and over. */
export function askAgents({ connections, config, ...deps }: AskedAgents): AsyncDisposable {
  const { agents, revocationSeconds: everySeconds = 30 } = config;
  const parts = new AsyncDisposableStack();
  const { revocations, log } = deps;
  for (const agent of agents) {
    const terms = {
      held: () => revocations.held(),
      take: (list: string, key: PublicKey) => {
        if (revocations.take(list, { name: key.name, key })) endRevokedLeases(deps);
      },
      log,
    };
    const { work, onFailure } = revocationPolling(agentSource(agent, connections), terms);
    parts.use(startRounds(work, { everyMs: everySeconds * 1000, onFailure }));
  }
  return parts;
}
