import { randomBytes } from "node:crypto";
import { type KeyName, type PublicKey, publicKeyFromSpki } from "#shared/identity/key.ts";
import type { Capability } from "#shared/model/capability.ts";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import { checkNarrowing } from "#shared/model/narrowing.ts";
import { formatPorts, type PortRange } from "#shared/model/ports.ts";
import { exceeds, type Share, unitOf } from "#shared/model/resources.ts";
import type { DocumentId, EngineName, Holding } from "#shared/model/ticket.ts";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database, Tx } from "#shared/runtime/database.ts";
import { openHolding } from "#shared/wire/chain.ts";
import { documentId, withLineage } from "#shared/wire/document.ts";
import { writeTicket } from "#shared/wire/ticket-document.ts";
import { sealAll } from "../signing/seal.ts";
import type { TicketKeys } from "../signing/ticket-keys.ts";
import { writeAudit } from "../store/audit/audit.ts";
import { markClosing } from "../store/holdings/closing-grants.ts";
import {
  chargeLine,
  type Grant,
  grantsOfLine,
  insertGrant,
  leftFor,
  lockAccountsOf,
  partiesOf,
  portsInTheWay,
  unchargeLine,
  unsealedGrants,
} from "../store/holdings/grants.ts";
import { type SplittableHolding, splittableHoldings } from "../store/holdings/holdings.ts";
import { type Standing, standingOf } from "../store/registry/standing.ts";
import { type Piece, piecesOf } from "./grant-line.ts";

/** Another agent, as grants name it: the ticket key they are for, and the identity key its calls are made with. */
export type Grantee = { readonly ticketKey: PublicKey; readonly identity: KeyName };

/** What is to be handed on of what is held on one node. */
export type GrantWish = {
  readonly node: KeyName;
  readonly to: Grantee;
  /** How much of a holding that has so much. */
  readonly share: (held: Share) => Share;
  /** Absent: for as long as the holding lasts. */
  readonly until?: Instant;
  readonly ports: readonly PortRange[];
  readonly slicePrefix?: string;
  readonly engine?: EngineName;
  readonly image?: string;
  readonly administrative?: readonly Capability[];
  /** Whether the other may hand it on in its turn. */
  readonly mayHandOn: boolean;
  /** The grant this one renews: the two are one account. */
  readonly replaces?: Grant;
};

type Parts = {
  readonly database: Database;
  readonly keys: TicketKeys;
  readonly clock: Clock;
  /** The factor of nodes that have none of their own, per mille. */
  readonly overbooking: number;
};

/** One of this agent's holdings, and what a holding split from it needs. */
type Parent = { readonly id: DocumentId; readonly ticket: Holding; readonly overbooking: number };

/** A holding with fewer splits can be split into slice tickets only. */
const SPLITS_TO_GRANT = 2;

/**
 * Hands parts of holdings on to other agents (paper §2.2: agents gather tickets from agents). What is handed on counts
 * against its account like tickets that are issued, over its whole term, until its node has said that nothing is leased
 * beneath it any more.
 */
export class Granting {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Splits a holding. It is in the books, durable, when this resolves. Throws OperatorError or the Fault that says why
   * it cannot be: BAD_CHAIN beyond the holding, NO_CAPACITY beyond what is left.
   */
  async grant(wish: GrantWish): Promise<{ readonly id: DocumentId; readonly ticket: Holding }> {
    const now = this.#parts.clock.now();
    const parent = await this.#parentFor(wish, now);
    const ticket = this.#split(parent, wish, now);
    const body = writeTicket(ticket);
    const id = documentId(body);
    const line = wish.replaces?.line ?? id;
    await this.#parts.database.transaction(
      async (tx) => {
        await lockAccountsOf(tx, ticket.node);
        await this.#checkStanding(tx, ticket);
        const limits = [...(await this.#renewedBy(tx, wish)), limitOf(ticket)];
        await this.#charge(tx, line, parent.id, limits, ticket);
        await insertGrant(tx, { id, line, ticket, body }, now);
        await this.#audit(tx, "grant holding", { id, node: ticket.node, to: wish.to.identity });
      },
      { repeatable: true },
    );
    return { id, ticket };
  }

  /** Signed as it was given, with what stands above it. */
  async document(id: DocumentId): Promise<string> {
    const [text] = await sealAll(this.#parts.keys, await unsealedGrants(this.#parts.database, [id]));
    return text!;
  }

  /**
   * Wants a grant back, with all of its line, since they are one account. Its node is asked by the scan of the running
   * agent; until it has said that nothing is leased beneath, it counts. False: it is being closed, or over, already.
   */
  async close({ line, node, id }: Grant): Promise<boolean> {
    return await this.#parts.database.transaction(
      async (tx) => {
        await lockAccountsOf(tx, node);
        const news = await markClosing(tx, line);
        if (news > 0) await this.#audit(tx, "close holding", { id, node });
        return news > 0;
      },
      { repeatable: true },
    );
  }

  /** Of the holdings on the node that allow it, the one that lasts longest. */
  async #parentFor(wish: GrantWish, now: Instant): Promise<Parent> {
    const held = await this.#splittable(wish, now);
    const overbooking = this.#factor(await standingOf(this.#parts.database, wish.node));
    const parents = held.map(({ id, lineage, nodeKey }): Parent => {
      const anchor = { nodeKey: publicKeyFromSpki(nodeKey) };
      return { id, ticket: openHolding(withLineage(lineage), anchor, now).leaf.ticket, overbooking };
    });
    const refusals: unknown[] = [];
    for (const parent of parents) {
      try {
        if (parent.ticket.splits < SPLITS_TO_GRANT)
          throw new OperatorError("what is held there can be split into tickets only, and not be handed on");
        checkNarrowing(parent.ticket, this.#split(parent, wish, now));
        return parent;
      } catch (error) {
        refusals.push(error);
      }
    }
    throw refusals[0] ?? new OperatorError("nothing is held on that node now");
  }

  /**
   * A grant and what it renews are one account at their node only where one key split both for the same one, and under
   * one account of ours only where that is so above them too. Anything else would count there beside what it renews.
   */
  async #splittable({ node, to, replaces }: GrantWish, now: Instant): Promise<SplittableHolding[]> {
    const { database } = this.#parts;
    const held = await splittableHoldings(database, node, now);
    if (!replaces) return held;
    const { account, principal } = await partiesOf(database, replaces.holding);
    const same = held.filter((holding) => holding.account === account && holding.principal === principal);
    if (same.length > 0 && replaces.principal === to.ticketKey.name) return same;
    throw new OperatorError(
      "only what the same ticket key holds can be renewed, from what it was split from; make a new grant beside it",
    );
  }

  #split({ id, ticket: parent, overbooking }: Parent, wish: GrantWish, now: Instant): Holding {
    const { ticketKey, identity } = wish.to;
    const end = wish.until ?? Math.min(parent.term.end, parent.validity.end);
    if (end <= now) throw new OperatorError("it has to last for a while: choose a later end");
    return {
      kind: "holding",
      serial: randomBytes(16).toString("hex"),
      parent: id,
      // The first of its line, never the last: one that is withheld from the node takes none out of their account.
      ...(wish.replaces && { replaces: wish.replaces.line }),
      issuer: parent.principal,
      principal: ticketKey.name,
      principleSha1: ticketKey.sha1,
      principalKey: ticketKey.spki,
      holder: identity,
      splits: wish.mayHandOn ? parent.splits - 1 : 1,
      node: parent.node,
      ip: parent.ip,
      slicePrefix: wish.slicePrefix ?? parent.slicePrefix,
      validity: { start: now, end },
      term: { start: now, end },
      resources: wish.share(parent.resources),
      ceilings: parent.ceilings,
      engine: wish.engine ?? parent.engine,
      image: wish.image ?? parent.image,
      ports: wish.ports,
      ...(wish.administrative && { administrative: wish.administrative }),
      overbooking,
    };
  }

  #factor(standing: Standing | undefined): number {
    return standing?.overbooking ?? this.#parts.overbooking;
  }

  /** What an administrator changed while this was decided, without locks. */
  async #checkStanding(tx: Tx, { node, overbooking }: Holding): Promise<void> {
    const standing = await standingOf(tx, node);
    if (!standing?.serving)
      throw new OperatorError("nothing of that node is handed on now: it is drained or suspended");
    if (this.#factor(standing) !== overbooking)
      throw new OperatorError("its factor of overbooking was just changed; try again");
  }

  /** What the renewed grant and those before it allow, as long as they are not being closed. */
  async #renewedBy(tx: Tx, { replaces }: GrantWish): Promise<Grant[]> {
    if (!replaces) return [];
    const line = await grantsOfLine(tx, replaces.line);
    if (line.some(({ state }) => state === "closing" || state === "closed"))
      throw new OperatorError("the grant to be renewed is being closed; make a new one beside it");
    return line.filter(({ state }) => state === "granted");
  }

  async #charge(
    tx: Tx,
    line: DocumentId,
    holding: DocumentId,
    limits: Parameters<typeof piecesOf>[0],
    { node, overbooking }: Holding,
  ): Promise<void> {
    const { account } = await partiesOf(tx, holding);
    await unchargeLine(tx, line);
    const pieces = piecesOf(limits);
    const left = await leftFor(tx, account, pieces, overbooking);
    for (const [at, piece] of pieces.entries()) {
      refuseShortage(piece, left[at]!, holding);
      refusePorts(await portsInTheWay(tx, node, piece));
    }
    await chargeLine(tx, line, { account, node }, pieces);
  }

  async #audit(tx: Tx, method: string, detail: object): Promise<void> {
    const at = this.#parts.clock.milliseconds();
    await writeAudit(tx, { at, who: "operator", method, outcome: "ok", detail: { ...detail } });
  }
}

function limitOf({ resources: share, ports, term: during }: Holding) {
  return { share, ports, during };
}

function refuseShortage({ share, during }: Piece, left: Share, holding: DocumentId): void {
  const short = exceeds(share, left);
  if (!short) return;
  throw new Fault(
    "NO_CAPACITY",
    `${Math.max(0, left[short])} of ${share[short]} ${unitOf(short)} are left under holding ${holding.slice(0, 12)} from ${formatInstant(during.start)} to ${formatInstant(during.end)} UTC; hand on less, or for a shorter time`,
  );
}

function refusePorts([first]: readonly PortRange[]): void {
  if (!first) return;
  throw new Fault(
    "NO_CAPACITY",
    `${formatPorts(first)} is somebody's on that node already; choose other ports`,
  );
}
