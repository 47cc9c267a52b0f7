import type { KeyName } from "#shared/identity/key.ts";
import { Fault } from "#shared/model/errors.ts";
import type { Term } from "#shared/model/time.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Connections } from "#shared/wire/xmlrpc/connections.ts";
import {
  type AgentConnection,
  type AgentFacts,
  agentConnection,
  type Release,
} from "../acquisition/agent-connection.ts";
import type { TicketAgent } from "../acquisition/ask.ts";
import type { Advertisement } from "../matching/specification.ts";

export type AgentAddress = { readonly identity: KeyName; readonly url: string };

type Terms = {
  readonly agents: readonly AgentAddress[];
  readonly connections: Connections;
  readonly clock: Clock;
  /** For one answer, in milliseconds. */
  readonly deadlineMs: number;
  /** Ends every call, which then rejects with its reason. */
  readonly signal: AbortSignal;
  /** How long advertisements are used again, in milliseconds; failures, as long as a deadline. */
  readonly adsMs: number;
};

/** What was advertised, or why not, and until when that is used. */
type Remembered = { readonly ads: Promise<Advertisement[]>; readonly until: number; readonly length: number };

/**
 * The agents a broker is configured with. What one advertises is asked once for all who want to know at about the same
 * time; one that has just failed is not waited for again by everybody.
 */
export class KnownAgents {
  readonly addresses: readonly AgentAddress[];
  readonly #connections: ReadonlyMap<KeyName, AgentConnection>;
  readonly #terms: Terms;
  readonly #remembered = new Map<KeyName, Remembered[]>();
  /** How often an agent was asked for its advertisements, and how often that was not needed. */
  readonly counts = { asked: 0, spared: 0 };

  constructor(terms: Terms) {
    const { agents, connections, deadlineMs, signal } = terms;
    this.#terms = terms;
    this.addresses = agents;
    this.#connections = new Map(
      agents.map((agent) => [agent.identity, agentConnection(agent, connections, { deadlineMs, signal })]),
    );
  }

  knows(name: KeyName): boolean {
    return this.#connections.has(name);
  }

  /** All of them, for what needs no request: they advertise, and issue nothing. */
  get advertising(): TicketAgent[] {
    return [...this.#connections.values()].map((agent) => this.#remembering(agent));
  }

  /** Those of some agents that are known here, which issue tickets for this request. */
  requesting(request: string, names: readonly KeyName[]): TicketAgent[] {
    const known = names.flatMap((name) => this.#connections.get(name) ?? []);
    return known.map((agent) => this.#remembering({ ...agent, ...agent.requesting(request) }));
  }

  /** What one agent says of itself: the first one's that answers. Throws the last failure. */
  async anyFacts(): Promise<AgentFacts> {
    return await Promise.any([...this.#connections.values()].map((agent) => agent.facts())).catch((error) => {
      throw error instanceof AggregateError ? error.errors.at(-1) : error;
    });
  }

  /** Throws UNKNOWN_KEY for an agent that is configured no more. */
  async release(name: KeyName, tickets: readonly string[]): Promise<Release[]> {
    const agent = this.#connections.get(name);
    if (!agent) throw new Fault("UNKNOWN_KEY", `the agent ${name} is configured no more; put it back`);
    return await agent.release(tickets);
  }

  #remembering(agent: AgentConnection): TicketAgent {
    const { name, url } = agent;
    return {
      ...{ name, url, ticketKey: agent.ticketKey },
      advertisements: (during) => this.#advertisements(agent, during),
      tickets: async (description, ask) => {
        let granted: readonly string[] = [];
        try {
          granted = await agent.tickets(description, ask);
          return [...granted];
        } finally {
          // It is not as it was said to be: let the next ones hear how it is now.
          if (granted.length < ask.count) this.#remembered.delete(name);
        }
      },
    };
  }

  /** Terms of one length that begin within moments of each other are the same to whoever chooses nodes. */
  #advertisements(agent: AgentConnection, during: Term): Promise<Advertisement[]> {
    const now = this.#terms.clock.uptime();
    const length = during.end - during.start;
    const fresh = (this.#remembered.get(agent.name) ?? []).filter(({ until }) => until > now);
    const found = fresh.find((one) => one.length === length);
    if (found) {
      this.counts.spared += 1;
      return found.ads;
    }
    this.counts.asked += 1;
    const asked: { -readonly [K in keyof Remembered]: Remembered[K] } = {
      ads: agent.advertisements(during),
      // While it is being asked, nobody else asks.
      until: Number.POSITIVE_INFINITY,
      length,
    };
    this.#remembered.set(agent.name, [...fresh.slice(1 - LENGTHS), asked]);
    asked.ads.then(
      () => {
        asked.until = this.#terms.clock.uptime() + this.#terms.adsMs;
      },
      () => {
        asked.until = this.#terms.clock.uptime() + Math.min(this.#terms.adsMs, this.#terms.deadlineMs);
      },
    );
    return asked.ads;
  }
}

/** Of how many lengths of term what an agent advertises is remembered. */
const LENGTHS = 4;
