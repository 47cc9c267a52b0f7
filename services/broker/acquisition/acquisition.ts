import { Fault } from "#shared/model/errors.ts";
import { shareOfOne } from "#shared/model/resources.ts";
import { defaultRenewableUntil } from "#shared/model/ticket.ts";
import type { Instant, Term } from "#shared/model/time.ts";
import { type CallFailure, isCallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import { tooFew } from "../matching/explanation.ts";
import { match } from "../matching/matching.ts";
import type { Advertisement, HeldNode, Specification } from "../matching/specification.ts";
import { type Ask, type AskBook, isRefusal, makeAsk, type Terms, type TicketAgent } from "./ask.ts";
import { type AskOutcome, Search } from "./search.ts";

export type Acquisition = Terms & {
  readonly wanted: number;
  /** Fewer than these are not asked for at all. */
  readonly atleast: number;
  readonly standby: number;
  /** Nodes out of the question, with the reason: those the slice has, those that failed it. */
  readonly ruledOut: ReadonlyMap<string, string>;
  /** The nodes the slice has. */
  readonly held: readonly HeldNode[];
};

/** What came of an acquisition: tickets are in the book; here is why there are no more. */
export type Acquired = {
  readonly granted: number;
  readonly specification: Specification;
  readonly failures: readonly CallFailure[];
};

/** How many nodes one ask may list: a request's body stays far below its limit. */
const MAX_LISTED = 2_000;

/** The time a sliver of this description is counted for, if it starts now. */
export function countedTime(leaseSeconds: number, now: Instant): Term {
  const term = { start: now, end: now + leaseSeconds };
  return { start: now, end: defaultRenewableUntil(term) };
}

/**
 * What all agents together advertise for a time. An agent that fails is passed over as long as another answers.
 * Throws the first failure when none does.
 */
export async function advertised(agents: readonly TicketAgent[], during: Term): Promise<Advertised> {
  const answers = await Promise.all(agents.map((agent) => agent.advertisements(during).catch(asCallFailure)));
  const failures = answers.filter((answer) => isCallFailure(answer));
  if (failures.length === agents.length)
    throw failures[0] ?? new Fault("NO_CAPACITY", "no agent is configured");
  return {
    ads: answers.flatMap((answer) => (isCallFailure(answer) ? [] : answer)),
    failures,
    silent: agents.flatMap(({ name }, at) => (isCallFailure(answers[at]) ? [name] : [])),
  };
}

/** What agents advertise, why others did not, and which these were. */
export type Advertised = {
  readonly ads: Advertisement[];
  readonly failures: CallFailure[];
  readonly silent: string[];
};

/** A failure to be looked at later; a defect of ours is thrown on. */
function asCallFailure(error: unknown): CallFailure {
  if (!isCallFailure(error)) throw error;
  return error;
}

/**
 * The paper's broker at work: matches a description to the ads of agents and gathers the tickets. Nodes that their agent
 * cannot grant after all are passed over for others, as long as there are any, and so are agents that fail, where the
 * book takes care of what they may have granted.
 *
 * Throws NO_CAPACITY, with nothing asked, when not even `atleast` nodes fit; what else an agent refused, when none
 * granted anything.
 */
export async function acquire(
  acquisition: Acquisition,
  agents: readonly TicketAgent[],
  book: AskBook,
  now: Instant,
): Promise<Acquired> {
  const search = new Search(acquisition);
  const failures: CallFailure[] = [];
  const during = countedTime(acquisition.description.leaseSeconds, now);
  for (let round = 0; ; round++) {
    const { ads, silent, ...heard } = await advertised(search.stillAsked(agents), during);
    failures.push(...heard.failures);
    search.passOver(silent);
    const specification = match(acquisition.description, search.stillOffered(ads), now, {
      demand: shareOfOne(acquisition.resources),
      wanted: acquisition.wanted - search.granted,
      standby: round === 0 ? acquisition.standby : 0,
      ruledOut: search.ruledOut,
      held: search.held,
    });
    if (search.granted === 0 && specification.chosen.length < acquisition.atleast) {
      throw failures.find(isRefusal) ?? tooFew(specification, acquisition.atleast);
    }
    const asks = await book.open(asksFor(specification, acquisition, agents.length), specification);
    const outcomes = await makeAsks(asks, acquisition, agents, book);
    for (const outcome of outcomes) search.learn(outcome);
    const failed = outcomes.flatMap((outcome) => ("error" in outcome ? [outcome.error] : []));
    failures.push(...failed);
    const unknown = failed.find((error) => !isRefusal(error));
    // An ask nobody knows the fate of may have been granted: asking for others would be asking twice.
    const free = book.doubtful !== undefined || unknown === undefined;
    const more = asks.length > 0 && search.granted < acquisition.wanted && search.goesOn(round, agents);
    if (free && more) continue;
    if (search.granted === 0 && failures.length > 0) throw unknown ?? failures.find(isRefusal) ?? failures[0];
    return { granted: search.granted, specification, failures };
  }
}

/** One ask an agent: its chosen nodes and standbys first, then whatever else it has that would do. */
function asksFor(
  { chosen, standby, spare }: Specification,
  { atleast, description }: Acquisition,
  agents: number,
): Omit<Ask, "requestId">[] {
  const wanted = [...chosen, ...standby];
  return [...new Set(wanted.map((ad) => ad.agent))].map((agent) => {
    const own = wanted.filter((ad) => ad.agent === agent);
    const others = spare.filter((ad) => ad.agent === agent);
    return {
      agent,
      count: own.length,
      // With several agents, what one lacks another may have.
      atleast: agents === 1 ? Math.max(1, Math.min(atleast, own.length)) : 1,
      nodes: [...own, ...others]
        .slice(0, MAX_LISTED)
        .map(({ node, ip, sslport, site }) => ({ node, ip, sslport, site })),
      leaseSeconds: description.leaseSeconds,
    };
  });
}

async function makeAsks(
  asks: readonly Ask[],
  acquisition: Acquisition,
  agents: readonly TicketAgent[],
  book: AskBook,
): Promise<AskOutcome[]> {
  return await Promise.all(
    asks.map(async (ask): Promise<AskOutcome> => {
      try {
        return { ask, tickets: await makeAsk(ask, acquisition, agents, book) };
      } catch (error) {
        const failure = asCallFailure(error);
        if (!isRefusal(failure)) await book.doubtful?.(ask, failure);
        return { ask, error: failure };
      }
    }),
  );
}
