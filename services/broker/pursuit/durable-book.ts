import { Fault } from "#shared/model/errors.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database, Tx } from "#shared/runtime/database.ts";
import type { CallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import type { Ask, AskBook, GrantedTicket } from "../acquisition/ask.ts";
import type { Specification } from "../matching/specification.ts";
import { addRefused, type Claim, keepSpecification, lockClaimed, tell } from "../store/acquisitions.ts";
import { insertAsks, type PlacedAsk, settleAsk } from "../store/asks.ts";
import { insertTickets } from "../store/tickets.ts";
import { keptSpecification } from "../struct.ts";

/** Somebody else works at the acquisition now: whoever meets this stops and writes nothing more. */
export class ClaimLost extends Error {
  override readonly name = "ClaimLost";
}

const NOTHING: Specification = { chosen: [], standby: [], spare: [], refused: [] };

/** Places of one round of asks come before those of the next. */
const PLACES_A_ROUND = 100_000;

/**
 * The asks of one acquisition in the database: each before it is made, its tickets before they are told. Only whoever
 * holds the claim writes; anybody else meets ClaimLost.
 */
export class DurableBook implements AskBook {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #claim: Claim;
  readonly #asks = new Map<string, PlacedAsk>();
  #rounds: number;

  /** `earlier`: the asks that were made before. */
  constructor(database: Database, clock: Clock, claim: Claim, earlier: readonly PlacedAsk[]) {
    this.#database = database;
    this.#clock = clock;
    this.#claim = claim;
    for (const ask of earlier) this.#asks.set(ask.requestId, ask);
    this.#rounds = earlier.length;
  }

  async open(drafts: readonly Omit<Ask, "requestId">[], because?: Specification): Promise<Ask[]> {
    const places = placesOf(because, this.#rounds * PLACES_A_ROUND);
    this.#rounds += 1;
    const placed = drafts.map((draft) => ({
      ...draft,
      nodes: draft.nodes.map((node) => ({ ...node, place: places.get(node.node) ?? 0 })),
    }));
    const asks = await this.#write(async (tx) => {
      if (because) await keepSpecification(tx, this.#claim.id, keptSpecification(because));
      return await insertAsks(tx, this.#claim.id, placed, this.#clock.now());
    });
    for (const ask of asks) this.#asks.set(ask.requestId, ask);
    return asks;
  }

  async granted(ask: Ask, tickets: readonly GrantedTicket[]): Promise<void> {
    const nodes = this.#asks.get(ask.requestId)?.nodes ?? [];
    const placed = tickets.map((granted) => ({
      ...granted,
      place: nodes.find(({ node }) => node === granted.ticket.node)?.place ?? 0,
    }));
    await this.#write(async (tx) => {
      await insertTickets(tx, this.#claim.id, ask, placed, true);
      await settleAsk(tx, ask, "granted");
      if (tickets.length < ask.count) await this.#note(tx, ask, lacking(ask, tickets));
    });
  }

  async refused(ask: Ask, why?: Fault): Promise<void> {
    await this.#write(async (tx) => {
      await settleAsk(tx, ask, "refused");
      if (why) await this.#note(tx, ask, [{ node: "", reason: why.message }]);
    });
  }

  async doubtful(ask: Ask, why: CallFailure): Promise<void> {
    await this.#write(async (tx) => {
      await settleAsk(tx, ask, "doubtful");
      const reason = why instanceof Fault ? why.message : `did not answer: ${why.message}`;
      await this.#note(tx, ask, [{ node: "", reason }]);
    });
  }

  async #note(
    tx: Tx,
    { agent }: Ask,
    short: readonly { readonly node: string; readonly reason: string }[],
  ): Promise<void> {
    await addRefused(
      tx,
      this.#claim.id,
      short.map((one) => ({ ...one, agent })),
    );
  }

  #write<T>(change: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#database.transaction(async (tx) => {
      if (!(await lockClaimed(tx, this.#claim))) throw new ClaimLost("somebody else works at it now");
      const result = await change(tx);
      await tell(tx, this.#claim.id);
      return result;
    });
  }
}

/** Nodes that were preferred, and that the agent passed over. */
function lacking({ nodes, count }: Ask, tickets: readonly GrantedTicket[]) {
  const had = new Set(tickets.map(({ ticket }) => ticket.node));
  const passed = nodes.slice(0, count).filter(({ node }) => !had.has(node));
  return passed.map(({ node }) => ({ node, reason: "could not be granted by its agent" }));
}

function placesOf(because: Specification | undefined, first: number): Map<string, number> {
  const { chosen, standby, spare } = because ?? NOTHING;
  return new Map([...chosen, ...standby, ...spare].map(({ node }, at) => [node, first + at]));
}
