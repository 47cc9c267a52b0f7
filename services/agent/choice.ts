import { randomBytes } from "node:crypto";
import { Fault } from "#shared/model/errors.ts";
import type { Queries } from "#shared/runtime/database.ts";
import { type Fit, type Misfit, misfit, type Offer, preferred } from "./offer.ts";
import type { Order } from "./order.ts";
import type { TicketTerms } from "./slice-ticket.ts";
import { type Candidates, offersOf } from "./store/offers.ts";

/** The nodes an order gets tickets for. */
export type Choice = {
  readonly fits: readonly Fit[];
  /** On how many nodes its slice will have tickets that count. */
  readonly nodesThen: number;
};

/** How many nodes more than are wanted are looked at first, to choose among. */
const SPARE_CANDIDATES = 16;

/** How many nodes a refusal tells of by name. */
const EXAMPLES = 3;

/** As much of a caller's name for a node as is told back: any address, or the beginning of a key. */
const LONGEST_NAME = 45;

/**
 * Chooses the nodes of an order: of those it lists, the first that fit; of any, the least used among as many as it
 * takes, beginning at a random place, so that requests at the same time don't all want the same node. Nothing is
 * locked: an offer may be gone when it is taken. Throws NO_CAPACITY saying how many fitted and why others did not.
 */
export async function chooseNodes(queries: Queries, order: Order, terms: TicketTerms): Promise<Choice> {
  const counting = { ...terms, perMille: terms.overbooking };
  const misfits: Misfit[] = [];
  let fits: readonly Fit[] = [];
  let heldNodes = 0;
  for (const { candidates, limit } of pages(order)) {
    const page = await offersOf(queries, candidates, order, counting);
    heldNodes = Math.max(heldNodes, page.heldNodes);
    misfits.push(...strangers(candidates, page.offers));
    for (const offer of page.offers) {
      const reason = misfit(offer, order, terms.now);
      if (reason) misfits.push({ ip: offer.ip, reason });
    }
    const fitting = page.offers.filter((offer): offer is Fit => !misfit(offer, order, terms.now));
    fits = preferred([...fits, ...fitting], order);
    if (fits.length >= order.count || lengthOf(candidates, page.offers) < limit) break;
  }
  if (fits.length < order.atLeast) throw noCapacity(order, fits.length, misfits);
  const chosen = fits.slice(0, order.count);
  return { fits: chosen, nodesThen: heldNodes + chosen.filter((fit) => !fit.held).length };
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

/** How long a page came out. One that was not filled is the last. */
function lengthOf(candidates: Candidates, offers: readonly Offer[]): number {
  return candidates.kind === "ring" ? offers.length : candidates.names.length;
}

/** Names in a list that are no node of this agent. */
function strangers(candidates: Candidates, offers: readonly Offer[]): Misfit[] {
  if (candidates.kind === "ring") return [];
  const known = new Set(offers.map((offer) => (candidates.kind === "ips" ? offer.ip : offer.node)));
  const unknown = candidates.names.filter((name) => !known.has(name));
  return unknown.map((name) => ({ ip: name.slice(0, LONGEST_NAME), reason: "is no node this agent knows" }));
}

function noCapacity(order: Order, fitted: number, misfits: readonly Misfit[]): Fault {
  const told = misfits.slice(0, EXAMPLES).map(({ ip, reason }) => `${ip} ${reason}`);
  const more = misfits.length - told.length;
  const others = more > 0 ? `; and ${more} more nodes do not fit` : "";
  const why = told.length > 0 ? `: ${told.join("; ")}${others}` : ": this agent holds nothing on any node";
  return new Fault(
    "NO_CAPACITY",
    `${fitted} of ${order.atLeast} nodes fit${why}; ask for less, fewer, other nodes, or later`,
  );
}
