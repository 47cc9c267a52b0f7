import type { CallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import type { Advertisement, HeldNode } from "../matching/specification.ts";
import { type Ask, type GrantedTicket, isRefusal, type TicketAgent } from "./ask.ts";

/** What came of one ask. */
export type AskOutcome = { readonly ask: Ask } & (
  | { readonly tickets: GrantedTicket[] }
  | { readonly error: CallFailure }
);

/** Turns to other nodes this often when agents grant less than their advertisements promised. */
const MAX_ROUNDS = 3;

/**
 * What is learnt of nodes and agents while tickets for one slice are gathered. What an agent cannot grant may still be
 * had from another that holds the same node; an agent that fails in any other way is not asked again.
 */
export class Search {
  /** Nodes out of the question, with the reason. */
  readonly ruledOut: Map<string, string>;
  readonly held: HeldNode[];
  granted = 0;
  /** Agents that could not grant these nodes. */
  readonly #lacking = new Map<string, Set<string>>();
  readonly #failed = new Set<string>();
  readonly #silent = new Set<string>();

  constructor(known: {
    readonly ruledOut: ReadonlyMap<string, string>;
    readonly held: readonly HeldNode[];
  }) {
    this.ruledOut = new Map(known.ruledOut);
    this.held = [...known.held];
  }

  learn(outcome: AskOutcome): void {
    const { nodes, count, agent } = outcome.ask;
    if ("error" in outcome && !lacksNodesOnly(outcome.error)) this.#failed.add(agent);
    const had = new Set("tickets" in outcome ? outcome.tickets.map(({ ticket }) => ticket.node) : []);
    this.granted += had.size;
    for (const { node, ip, site } of nodes) {
      if (had.has(node)) {
        this.held.push({ node, ip, site });
        this.ruledOut.set(node, "has the slice");
      } else if (had.size < count) {
        // An agent that granted all it was asked for has not tried the others.
        this.#lacking.set(node, (this.#lacking.get(node) ?? new Set()).add(agent));
      }
    }
  }

  /** These did not advertise: nobody waits for them again. */
  passOver(silent: readonly string[]): void {
    for (const name of silent) this.#silent.add(name);
  }

  /** The agents that have not failed; all of them when all have. */
  stillAsked(agents: readonly TicketAgent[]): readonly TicketAgent[] {
    const left = agents.filter(({ name }) => !this.#failed.has(name) && !this.#silent.has(name));
    return left.length > 0 ? left : agents;
  }

  /** The ads of nodes that can still be had from who advertises them; nodes that nobody can grant are ruled out. */
  stillOffered(ads: readonly Advertisement[]): Advertisement[] {
    const offers = ads.filter(
      ({ node, agent }) => !this.#failed.has(agent) && !this.#lacking.get(node)?.has(agent),
    );
    const left = new Set(offers.map(({ node }) => node));
    const lost = ads.filter(({ node }) => !left.has(node));
    for (const { node } of lost) {
      if (!this.ruledOut.has(node)) this.ruledOut.set(node, "could not be granted by its agent");
    }
    return [...offers, ...lost];
  }

  /** Whether another round after this one is worth it: one for every agent that failed comes on top. */
  goesOn(round: number, agents: readonly TicketAgent[]): boolean {
    return round + 1 < MAX_ROUNDS + this.#failed.size && this.#failed.size < agents.length;
  }
}

/** Whether the agent would grant other nodes, or fewer. */
function lacksNodesOnly(error: CallFailure): boolean {
  return isRefusal(error) && error.name === "NO_CAPACITY";
}
