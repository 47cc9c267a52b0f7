import { randomBytes } from "node:crypto";
import type { PublicKey } from "#shared/identity/key.ts";
import { refuseUnless } from "#shared/model/errors.ts";
import { defaultRenewableUntil } from "#shared/model/ticket.ts";
import { CLOCK_SLACK, type Instant } from "#shared/model/time.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { ClockWatch } from "#shared/runtime/clock-watch.ts";
import type { Database, Tx } from "#shared/runtime/database.ts";
import { documentId } from "#shared/wire/document.ts";
import { writeTicket } from "#shared/wire/ticket-document.ts";
import type { Replay } from "#shared/wire/xmlrpc/replay.ts";
import { chooseNodes } from "./choice.ts";
import type { Fit } from "./offer.ts";
import type { Order } from "./order.ts";
import { type Privilege, privilegeFor, sliceTypeOf } from "./privilege.ts";
import { inBatches, sealAll, type Unsealed } from "./seal.ts";
import { splitTicket, type TicketTerms } from "./slice-ticket.ts";
import { writeAudit } from "./store/audit.ts";
import { insertTickets, type NewTicket } from "./store/issued.ts";
import { lockPermit } from "./store/permits.ts";
import { saveAnswer } from "./store/replies.ts";
import type { TicketKeys } from "./ticket-keys.ts";

/** What an agent decides for itself about the tickets it issues. */
export type IssuingPolicy = {
  /** The longest lease it gives anybody, in seconds. */
  readonly maxLeaseSeconds: number;
  /** How much more than it holds it issues, per mille: 1000 is none. */
  readonly overbooking: number;
};

/** Whose call it is, and how it is told apart from its repetitions. */
export type Caller = { readonly principal: PublicKey; readonly method: string; readonly replay?: Replay };

type Issue = { readonly order: Order; readonly caller: Caller; readonly terms: TicketTerms };

type Ticket = NewTicket & Unsealed;

/** Somebody else took what was offered between looking and locking. */
class Overtaken extends Error {}

/**
 * Issues slice tickets: privileges → counting → split → seal. What an order gets is in the books, audited and
 * durable, before its tickets are signed; an order that is refused leaves nothing behind but its audit.
 */
export class Issuance {
  readonly #database: Database;
  readonly #keys: TicketKeys;
  readonly #clock: Clock;
  readonly #watch: ClockWatch;
  readonly #policy: IssuingPolicy;
  /** The greatest time at which something was issued: time never runs below it (RELIABILITY, "Order of writing"). */
  #latest: Instant;

  constructor(
    parts: { database: Database; keys: TicketKeys; clock: Clock; watch: ClockWatch },
    policy: IssuingPolicy,
    latest: Instant,
  ) {
    this.#database = parts.database;
    this.#keys = parts.keys;
    this.#clock = parts.clock;
    this.#watch = parts.watch;
    this.#policy = policy;
    this.#latest = latest;
  }

  /** The signed tickets, in the order in which nodes were named. Throws what `privilegeFor` and `chooseNodes` throw. */
  async issue(order: Order, caller: Caller): Promise<string[]> {
    const tickets = await this.#counted(order, caller);
    return await sealAll(this.#keys, tickets);
  }

  /** Each time it is overtaken somebody else got something, so this ends. */
  async #counted(order: Order, caller: Caller): Promise<Ticket[]> {
    for (;;) {
      const issue = { order, caller, terms: this.#terms(order, caller) };
      try {
        return await this.#database.transaction((tx) => this.#attempt(tx, issue), { repeatable: true });
      } catch (error) {
        if (!(error instanceof Overtaken)) throw error;
      }
    }
  }

  #terms(order: Order, { principal }: Caller): TicketTerms {
    this.#watch.refuseUnlessSure(this.#latest);
    const now = this.#clock.now();
    this.#latest = now;
    const { maxLeaseSeconds, overbooking } = this.#policy;
    refuseUnless(
      order.leaseSeconds <= maxLeaseSeconds,
      "NO_PRIVILEGE",
      `leases last up to ${maxLeaseSeconds} seconds here; ask for less and renew`,
    );
    const term = { start: now, end: now + order.leaseSeconds };
    return {
      principal: { name: principal.name, sha1: principal.sha1 },
      now,
      term,
      renewableUntil: defaultRenewableUntil(term),
      overbooking,
    };
  }

  async #attempt(tx: Tx, { order, caller, terms }: Issue): Promise<Ticket[]> {
    const privileges = await this.#permitted(tx, order, caller, terms.now);
    const ask = { leaseSeconds: order.leaseSeconds, administrative: order.administrative };
    const { maxRenewableSeconds } = privilegeFor(privileges, { ...ask, nodes: order.atLeast });
    const capped = {
      ...terms,
      renewableUntil: Math.min(terms.renewableUntil, terms.now + maxRenewableSeconds),
    };
    const { fits, nodesThen } = await chooseNodes(tx, order, capped);
    privilegeFor(privileges, { ...ask, nodes: nodesThen });
    const tickets = await inBatches(fits, (fit) => ticketFor(fit, order, capped));
    await this.#book(tx, { order, caller, terms: capped }, tickets);
    return tickets;
  }

  async #permitted(tx: Tx, order: Order, { principal }: Caller, now: Instant): Promise<readonly Privilege[]> {
    const permit = await lockPermit(tx, principal.name, order.slice, sliceTypeOf(order.administrative), now);
    refuseUnless(
      permit,
      "NOT_PRINCIPAL",
      "this agent does not know your key; ask its administrator to add you",
    );
    refuseUnless(!permit.suspended, "SUSPENDED", "the agent's administrator has suspended you; ask why");
    refuseUnless(
      permit.owner === undefined || permit.owner === principal.name,
      "NOT_PRINCIPAL",
      `the slice ${order.slice} belongs to somebody else; choose another name`,
    );
    return permit.privileges;
  }

  async #book(tx: Tx, { order, caller, terms }: Issue, tickets: readonly Ticket[]): Promise<void> {
    const { name } = caller.principal;
    const perMille = terms.overbooking;
    const issue = { principal: name, order, now: terms.now, start: terms.term.start, perMille, tickets };
    if (!(await insertTickets(tx, issue))) throw new Overtaken();
    await writeAudit(tx, {
      at: this.#clock.milliseconds(),
      who: name,
      method: caller.method,
      outcome: "ok",
      detail: { slice: order.slice, tickets: tickets.length, leaseSeconds: order.leaseSeconds },
    });
    const until = Math.max(...tickets.map((t) => t.validTo)) + CLOCK_SLACK;
    await caller.replay?.rememberRemade(until, ({ scope, argumentsHash }) =>
      saveAnswer(tx, scope, { argumentsHash, answer: { tickets: tickets.map((t) => t.id) } }, until),
    );
  }
}

function ticketFor(fit: Fit, order: Order, terms: TicketTerms): Ticket {
  const { holding, node } = fit;
  const ticket = splitTicket(fit, order, terms, randomBytes(16).toString("hex"));
  const body = writeTicket(ticket);
  return {
    id: documentId(body),
    holding: holding.id,
    node,
    body,
    validTo: ticket.validity.end,
    countedTo: ticket.renewableUntil,
    principal: holding.principal,
    lineage: holding.lineage,
  };
}
