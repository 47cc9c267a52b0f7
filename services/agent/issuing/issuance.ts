import { randomBytes } from "node:crypto";
import type { KeyName, PublicKey } from "#shared/identity/key.ts";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import { defaultRenewableUntil } from "#shared/model/ticket.ts";
import { CLOCK_SLACK, formatLength, type Instant } from "#shared/model/time.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { ClockWatch } from "#shared/runtime/clock-watch.ts";
import type { Database } from "#shared/runtime/database.ts";
import { documentId } from "#shared/wire/document.ts";
import { writeTicket } from "#shared/wire/ticket-document.ts";
import type { Replay, ReplyToKeep } from "#shared/wire/xmlrpc/replay.ts";
import { quotaFault } from "../registry/limits.ts";
import { type Privilege, privilegeFor } from "../registry/privilege.ts";

import { inBatches, sealAll, type Unsealed } from "../signing/seal.ts";
import type { TicketKeys } from "../signing/ticket-keys.ts";
import { issueTickets, type NewTicket, Overtaken } from "../store/issuing/issued.ts";
import { issueRequested, mandateUse } from "../store/issuing/requests.ts";
import { readPermit } from "../store/registry/permits.ts";
import { quotaExcess } from "../store/registry/quotas.ts";
import { chooseNodes } from "./choice.ts";
import { type Mandate, narrowed, type Part } from "./mandate.ts";
import type { Fit } from "./offer.ts";
import type { Order } from "./order.ts";
import { splitTicket, type TicketTerms } from "./slice-ticket.ts";

/** What an agent decides for itself about the tickets it issues. */
export type IssuingPolicy = {
  /** The longest lease it gives anybody, in seconds. */
  readonly maxLeaseSeconds: number;
  /** How much of what it holds it issues where a node has no factor of its own, per mille: 1000 is no more. */
  readonly overbooking: number;
};

/** For whom tickets are asked, by which call, and how that is told apart from its repetitions. */
export type Caller = {
  readonly principal: PublicKey;
  readonly method: string;
  readonly replay?: Replay;
  /** Where a broker calls: the request it presents, and how much of that it asks for now. */
  readonly onBehalf?: { readonly mandate: Mandate; readonly part: Part };
};

type Parts = {
  readonly database: Database;
  readonly keys: TicketKeys;
  readonly clock: Clock;
  readonly watch: ClockWatch;
};

type Ticket = NewTicket & Unsealed;

/**
 * Issues slice tickets: privileges → counting → split → seal. All is decided without a lock and then written by one
 * statement that locks, decides again and counts; where it decides otherwise, everything is decided anew. No ticket
 * leaves before it is in the books, durable; an order that is refused leaves nothing behind but its audit.
 */
export class Issuance {
  readonly #parts: Parts;
  readonly #policy: IssuingPolicy;
  /** The greatest time at which something was issued: time never runs below it (RELIABILITY, "Order of writing"). */
  #latest: Instant;

  constructor(parts: Parts, policy: IssuingPolicy, latest: Instant) {
    this.#parts = parts;
    this.#policy = policy;
    this.#latest = latest;
  }

  /** The signed tickets, in the order in which nodes were named. Throws what `privilegeFor` and `chooseNodes` throw. */
  async issue(order: Order, caller: Caller): Promise<string[]> {
    for (let attempt = 1; ; attempt++) {
      const terms = this.#terms(order, caller);
      try {
        return await this.#attempt(order, caller, terms);
      } catch (error) {
        // What refuses a call may be what the same call, a moment before, was given.
        if (error instanceof Fault) await caller.replay?.passAnswered();
        if (!(error instanceof Overtaken)) throw error;
        if (attempt === ATTEMPTS)
          throw new Fault("BUSY", "too much was changing at once; try again", { cause: error });
      }
    }
  }

  #terms(order: Order, { principal }: Caller): TicketTerms {
    const { clock, watch } = this.#parts;
    const { maxLeaseSeconds, overbooking } = this.#policy;
    watch.refuseUnlessSure(this.#latest);
    this.#latest = clock.now();
    refuseUnless(
      order.leaseSeconds <= maxLeaseSeconds,
      "NO_PRIVILEGE",
      `leases last up to ${formatLength(maxLeaseSeconds)} here; ask for a shorter one and renew it`,
    );
    const term = { start: this.#latest, end: this.#latest + order.leaseSeconds };
    const named = { name: principal.name, sha1: principal.sha1 };
    return {
      principal: named,
      now: term.start,
      term,
      renewableUntil: defaultRenewableUntil(term),
      overbooking,
    };
  }

  async #attempt(whole: Order, caller: Caller, terms: TicketTerms): Promise<string[]> {
    const { database, clock, keys } = this.#parts;
    const order = await this.#partOf(whole, caller);
    const { privilege, limited, countsFor } = await this.#permitted(order, caller, terms.now);
    const furthest = terms.now + privilege.maxRenewableSeconds;
    const capped = { ...terms, renewableUntil: Math.min(terms.renewableUntil, furthest) };
    const { fits, nodesThen } = await chooseNodes(database, order, capped);
    privilegeFor([privilege], { ...order, nodes: nodesThen });
    if (limited) await this.#withinQuotas(order, fits, countsFor, terms.now);
    const serials = randomBytes(fits.length * SERIAL_BYTES).toString("hex");
    const tickets = await inBatches(fits, (fit, at) => ticketFor(fit, order, capped, serialAt(serials, at)));
    const issue = {
      ...capped,
      principal: terms.principal.name,
      method: caller.method,
      order,
      privilege,
      at: clock.milliseconds(),
      perMille: terms.overbooking,
      tickets,
      reply: replyTo(caller, tickets),
    };
    const { onBehalf } = caller;
    const issued = onBehalf
      ? issueRequested(database, onBehalf.mandate, issue)
      : issueTickets(database, issue);
    // Signed while they are written into the books; nothing leaves before both is done.
    const [sealed] = await Promise.all([sealAll(keys, tickets), issued]);
    return sealed;
  }

  /** What this call may be about: of a broker's, what its request has left. */
  async #partOf(order: Order, { onBehalf }: Caller): Promise<Order> {
    if (!onBehalf) return order;
    const { mandate, part } = onBehalf;
    return narrowed(order, mandate, await mandateUse(this.#parts.database, mandate, order.slice), part);
  }

  async #withinQuotas(order: Order, fits: readonly Fit[], owner: KeyName, now: Instant): Promise<void> {
    const nodes = fits.map(({ node }) => node);
    const excess = await quotaExcess(this.#parts.database, owner, order, nodes, now);
    if (excess) throw quotaFault(excess);
  }

  async #permitted(
    order: Order,
    { principal }: Caller,
    now: Instant,
  ): Promise<{ readonly privilege: Privilege; readonly limited: boolean; readonly countsFor: KeyName }> {
    const permit = await readPermit(this.#parts.database, principal.name, order.slice, now);
    refuseUnless(
      permit,
      "NOT_PRINCIPAL",
      "this agent does not know your key; ask its administrator to add you",
    );
    refuseUnless(!permit.revoked, "REVOKED", "the key of that principal was revoked; it needs a new one");
    refuseUnless(!permit.suspended, "SUSPENDED", "the agent's administrator has suspended you; ask why");
    refuseUnless(
      permit.owner === undefined || permit.owner === principal.name || permit.member,
      "NOT_PRINCIPAL",
      `the slice ${order.slice} belongs to somebody else; choose another name, or have the agent's administrator make you a member of it`,
    );
    const { limited } = permit;
    const countsFor = permit.owner ?? principal.name;
    return {
      countsFor,
      limited,
      privilege: privilegeFor(permit.privileges, { ...order, nodes: order.atLeast }),
    };
  }
}

/** Whoever overtakes gets something, so this often is seldom. */
const ATTEMPTS = 100;

const SERIAL_BYTES = 16;

function serialAt(hex: string, at: number): string {
  return hex.slice(at * 2 * SERIAL_BYTES, (at + 1) * 2 * SERIAL_BYTES);
}

function ticketFor(fit: Fit, order: Order, terms: TicketTerms, serial: string): Ticket {
  const { holding } = fit;
  const ticket = splitTicket(fit, order, terms, serial);
  const body = writeTicket(ticket);
  return {
    id: documentId(body),
    holding: holding.id,
    body,
    ports: ticket.ports,
    validTo: ticket.validity.end,
    countedTo: ticket.renewableUntil,
    factor: fit.overbooking,
    principal: holding.principal,
    lineage: holding.lineage,
  };
}

/** An answer is kept for as long as its tickets can be redeemed; they are signed again when it is asked for. */
function replyTo({ replay }: Caller, tickets: readonly Ticket[]): Omit<ReplyToKeep, "reply"> | undefined {
  const until = Math.max(...tickets.map((t) => t.validTo)) + CLOCK_SLACK;
  return replay?.rememberRemade(until, (kept) => kept);
}
