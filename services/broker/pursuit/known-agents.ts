import type { KeyName } from "#shared/identity/key.ts";
import { Fault } from "#shared/model/errors.ts";
import type { Term } from "#shared/model/time.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { type AgentConnection, agentConnection, type Release } from "../acquisition/agent-connection.ts";
import type { AgentFacts } from "../acquisition/agent-words.ts";
import type { TicketAgent } from "../acquisition/ask.ts";
import type { Advertisement } from "../matching/specification.ts";
import { AgentTurns, type Purpose } from "./agent-turns.ts";

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

/** What was advertised, or why not, and until when that is used: infinity while it is not known yet. */
type Remembered = {
  readonly ads: Promise<Advertisement[]>;
  until: number;
  readonly length: number;
  readonly purpose: Purpose;
  /** Whether the agent was asked: before, it waits for its turn. */
  readonly turn: { begun: boolean };
};

/**
 * The agents a broker is configured with. What one advertises is asked once for all who want to know at about the same
 * time, and a few things at once; one that has just failed is not waited for again by everybody.
 */
export class KnownAgents {
  readonly addresses: readonly AgentAddress[];
  readonly #connections: ReadonlyMap<KeyName, AgentConnection>;
  readonly #terms: Terms;
  readonly #turns: ReadonlyMap<KeyName, AgentTurns>;
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
    this.#turns = new Map(agents.map(({ identity }) => [identity, new AgentTurns()]));
  }

  knows(name: KeyName): boolean {
    return this.#connections.has(name);
  }

  /** All of them, for what needs no request: they advertise, and issue nothing. */
  get advertising(): TicketAgent[] {
    return [...this.#connections.values()].map((agent) => this.#remembering(agent, "dry run"));
  }

  /** Those of some agents that are known here, which issue tickets for this request. */
  requesting(request: string, names: readonly KeyName[]): TicketAgent[] {
    const known = names.flatMap((name) => this.#connections.get(name) ?? []);
    return known.map((agent) => this.#remembering({ ...agent, ...agent.requesting(request) }, "acquisition"));
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

  #remembering(agent: AgentConnection, purpose: Purpose): TicketAgent {
    const { name, url } = agent;
    return {
      ...{ name, url, ticketKeys: agent.ticketKeys },
      advertisements: (during) => this.#advertisements(agent, during, purpose),
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
  #advertisements(agent: AgentConnection, during: Term, purpose: Purpose): Promise<Advertisement[]> {
    const length = during.end - during.start;
    const found = this.#fresh(agent.name).find(
      // An acquisition does not wait in a dry run's place.
      (one) =>
        one.length === length && (one.turn.begun || one.purpose === "acquisition" || purpose === "dry run"),
    );
    if (found) {
      this.counts.spared += 1;
      return found.ads;
    }
    const turn = { begun: false };
    const ads = this.#ask(agent, during, purpose, turn);
    // While it is being asked, nobody else asks.
    const asked: Remembered = { ads, until: Number.POSITIVE_INFINITY, length, purpose, turn };
    this.#remember(agent.name, asked);
    const { adsMs, deadlineMs, clock } = this.#terms;
    const usedFor = (milliseconds: number) => {
      asked.until = clock.uptime() + milliseconds;
      this.#remember(agent.name);
    };
    asked.ads.then(
      () => usedFor(adsMs),
      // That there was no turn says nothing about the agent.
      () => usedFor(turn.begun ? Math.min(adsMs, deadlineMs) : 0),
    );
    return asked.ads;
  }

  /** Half of the time may go by until it is its turn; what is left is for the answer. */
  async #ask(agent: AgentConnection, during: Term, purpose: Purpose, turn: Remembered["turn"]) {
    const { deadlineMs } = this.#terms;
    const until = performance.now() + deadlineMs;
    const turns = this.#turns.get(agent.name) ?? new AgentTurns();
    return await turns.take(purpose, deadlineMs / 2, () => {
      turn.begun = true;
      this.counts.asked += 1;
      return agent.advertisements(during, until - performance.now());
    });
  }

  #fresh(name: KeyName): Remembered[] {
    const now = this.#terms.clock.uptime();
    return (this.#remembered.get(name) ?? []).filter(({ until }) => until > now);
  }

  /** Keeps all that is not answered yet, and the last few answers. */
  #remember(name: KeyName, ...more: readonly Remembered[]): void {
    const all = [...this.#fresh(name), ...more];
    const answered = all.filter(({ until }) => until < Number.POSITIVE_INFINITY);
    const dropped = new Set(answered.slice(0, -LENGTHS));
    this.#remembered.set(
      name,
      all.filter((one) => !dropped.has(one)),
    );
  }
}

/** Of how many lengths of term the answer of an agent is remembered. */
const LENGTHS = 4;
