import { randomBytes } from "node:crypto";
import { Fault } from "#shared/model/errors.ts";
import { advice, explanation, type Misfit } from "#shared/model/misfit.ts";
import type { Queries } from "#shared/runtime/database.ts";
import { type Candidates, type Offers, offersOf } from "../store/issuing/offers.ts";
import { type Fit, misfit, type Offer, preferred } from "./offer.ts";
import type { Order } from "./order.ts";
import type { TicketTerms } from "./slice-ticket.ts";

/** The nodes an order gets tickets for. */
export type Choice = {
  readonly fits: readonly Fit[];
  /** On how many nodes its slice will have tickets that count. */
  readonly nodesThen: number;
};

/** How many nodes more than are wanted are looked at first, to choose among. */
const SPARE_CANDIDATES = 8;

/** As much of a caller's name for a node as is told back: any address, or the beginning of a key. */
const LONGEST_NAME = 45;

/**
 * Chooses the nodes of an order: of those it lists, the first that fit; of any, the least used among as many as it
 * takes, beginning at a random place, so that requests at the same time don't all want the same node. Nothing is
 * locked: an offer may be gone when it is taken. Throws NO_CAPACITY saying how many fitted and why others did not.
 */
export async function chooseNodes(queries: Queries, order: Order, terms: TicketTerms): Promise<Choice> {
  const misfits: Misfit[] = [];
  let fits: readonly Fit[] = [];
  let heldNodes = 0;
  for (const { candidates, limit } of pages(order)) {
    const page = await lookAt(queries, candidates, order, terms);
    heldNodes = Math.max(heldNodes, page.heldNodes);
    misfits.push(...page.misfits);
    fits = preferred([...fits, ...page.fits], order);
    if (fits.length >= order.count || page.length < limit) break;
  }
  if (fits.length < order.atLeast) throw noCapacity(order, fits.length, misfits);
  const chosen = fits.slice(0, order.count);
  return { fits: chosen, nodesThen: heldNodes + chosen.filter((fit) => !fit.held).length };
}

type Page = {
  readonly length: number;
  readonly fits: readonly Fit[];
  readonly misfits: readonly Misfit[];
  readonly heldNodes: number;
};

/** What a page of candidates offers: exactly, unless a look at what is charged in all is enough. */
async function lookAt(
  queries: Queries,
  candidates: Candidates,
  order: Order,
  terms: TicketTerms,
): Promise<Page> {
  const counting = { ...terms, perMille: terms.overbooking };
  const page = pageOf(
    candidates,
    await offersOf(queries, candidates, order, counting, "at least"),
    order,
    terms,
  );
  const enough = candidates.kind === "ring" ? page.fits.length >= order.count : page.misfits.length === 0;
  if (enough) return page;
  return pageOf(candidates, await offersOf(queries, candidates, order, counting, "exactly"), order, terms);
}

function pageOf(
  candidates: Candidates,
  { offers, heldNodes }: Offers,
  order: Order,
  { now }: TicketTerms,
): Page {
  const judged = offers.map((offer) => ({ offer, reason: misfit(offer, order, now) }));
  const misfits = judged.flatMap(({ offer, reason }) => (reason ? [{ name: offer.ip, ...reason }] : []));
  return {
    length: candidates.kind === "ring" ? offers.length : candidates.names.length,
    fits: judged.filter(({ reason }) => !reason).map(({ offer }) => offer as Fit),
    misfits: [...misfits, ...strangers(candidates, offers)],
    heldNodes,
  };
}

/** Ever larger parts of what an order allows. */
function* pages({ among, count }: Order): Generator<{ candidates: Candidates; limit: number }> {
  const pivot = randomBytes(32).toString("hex");
  let offset = 0;
  for (let limit = count + SPARE_CANDIDATES; ; limit *= 4) {
    const candidates: Candidates =
      among.kind === "any"
        ? { kind: "ring", pivot, offset, limit }
        : { kind: among.kind, names: among.names.slice(offset, offset + limit) };
    yield { candidates, limit };
    offset += limit;
  }
}

/** Names in a list that are no node of this agent. */
function strangers(candidates: Candidates, offers: readonly Offer[]): Misfit[] {
  if (candidates.kind === "ring") return [];
  const known = new Set(offers.map((offer) => (candidates.kind === "ips" ? offer.ip : offer.node)));
  const unknown = candidates.names.filter((name) => !known.has(name));
  return unknown.map((name) => ({
    name: name.slice(0, LONGEST_NAME),
    reason: "is no node this agent knows",
    remedy: "other nodes",
  }));
}

function noCapacity(order: Order, fitted: number, misfits: readonly Misfit[]): Fault {
  const why = explanation(misfits) || "this agent holds nothing on any other node";
  const instead = advice(misfits, { fit: fitted > 0 });
  return new Fault("NO_CAPACITY", `${fitted} of ${order.atLeast} nodes fit: ${why}; ${instead}`);
}
