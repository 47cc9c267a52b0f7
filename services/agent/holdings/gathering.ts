import { type KeyName, publicKeyFromSpki } from "#shared/identity/key.ts";
import { ENGINES } from "#shared/model/ticket.ts";
import { parseInstant } from "#shared/model/time.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database } from "#shared/runtime/database.ts";
import type { Log } from "#shared/runtime/log.ts";
import { type AdvertisementStruct, agentApi, facts, MAX_ADS } from "#shared/wire/agent-api.ts";
import { readBase64 } from "#shared/wire/fields.ts";
import { type XmlRpcClient, xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import type { Connections } from "#shared/wire/xmlrpc/connections.ts";
import type { AgentConfig } from "../config.ts";
import { type GatheredNode, nodesThrough, saveAgentKey, saveGathered } from "../store/holdings/gathered.ts";

/** Another agent, which hands on parts of its nodes. */
export type OtherAgent = { readonly identity: KeyName; readonly client: XmlRpcClient<typeof agentApi> };

/** Those of the configuration, each known by its key. */
export function otherAgents(agents: AgentConfig["agents"], connections: Connections): OtherAgent[] {
  return agents.map(({ identity, url }) => ({
    identity,
    client: xmlRpcClient(agentApi, { url, connections, expectedPeer: identity }),
  }));
}

export type GatheringParts = {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly agents: readonly OtherAgent[];
};

/** As much of what a node says of itself as an advertisement repeats. */
const advertised = facts.pick({
  sslport: true,
  engines: true,
  images: true,
  abilities: true,
  simulated: true,
});

/**
 * Learns from other agents how the nodes are that this agent holds through them, and that do not know it: what they
 * run, where they are called, and when they last reported. Second-hand, so it decides what is advertised and nothing
 * else; it is taken of nodes that the very agent handed on, and of no other.
 */
export class Gathering {
  readonly #parts: GatheringParts;

  constructor(parts: GatheringParts) {
    this.#parts = parts;
  }

  /** Asks every agent, each by itself. One that does not answer is asked the next time. */
  async gather(signal?: AbortSignal): Promise<void> {
    const { agents, log } = this.#parts;
    await Promise.all(
      agents.map(async (agent) => {
        try {
          await this.#ask(agent, signal);
        } catch (error) {
          if (!signal?.aborted)
            log.warn({ err: error, agent: agent.identity }, "an agent did not say how its nodes are");
        }
      }),
    );
  }

  async #ask({ identity, client }: OtherAgent, signal?: AbortSignal): Promise<void> {
    const { database, clock } = this.#parts;
    const { ticket_key } = await client.getconfig({}, { signal });
    const key = publicKeyFromSpki(readBase64(ticket_key));
    await saveAgentKey(database, key.name, identity, clock.now());
    const nodes = await nodesThrough(database, identity, clock.now());
    for (let at = 0; at < nodes.length; at += MAX_ADS) {
      const some = nodes.slice(at, at + MAX_ADS);
      const ads = await client.getads({ nodes: some, limit: MAX_ADS }, { signal });
      const asked = new Set(some);
      const now = clock.now();
      const gathered = ads.flatMap((ad) => gatheredNode(ad, now)).filter(({ node }) => asked.has(node));
      await saveGathered(database, gathered);
    }
  }
}

/** What is said of one node, or nothing where it makes no sense: it is another agent's word. */
function gatheredNode(ad: AdvertisementStruct | string, now: number): GatheredNode[] {
  if (typeof ad === "string") return [];
  const { sslport, images, abilities, simulated } = ad;
  // Engines of a later version are no obstacle to those that are known here.
  const engines = ENGINES.filter((engine) => ad.engines.includes(engine));
  const { success, data } = advertised.safeParse({ sslport, engines, images, abilities, simulated });
  if (!success) return [];
  const heard = ad.heard === null ? null : Math.min(now, parseInstant(ad.heard));
  return [{ node: ad.node, ip: ad.ip, ...data, abilities: data.abilities ?? [], heard }];
}
