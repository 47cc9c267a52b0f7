import { refuseUnless } from "#shared/model/errors.ts";
import type { Resources } from "#shared/model/resources.ts";
import { DEFAULT_LEASE_SECONDS } from "#shared/model/slice-description.ts";
import { CLOCK_SLACK, type Instant, parseInstant, type Term, term } from "#shared/model/time.ts";
import type { Database, Tx } from "#shared/runtime/database.ts";
import { type agentApi, MAX_ADS } from "#shared/wire/agent-api.ts";
import { checkPresented } from "#shared/wire/request-document.ts";
import { readSliceDescription } from "#shared/wire/slice-description.ts";
import type { Call, EncodedReply, Handlers } from "#shared/wire/xmlrpc/dispatch.ts";
import type { Replay } from "#shared/wire/xmlrpc/replay.ts";
import type { Background } from "./background.ts";
import type { Deposits } from "./holdings/deposit.ts";
import type { Issuance } from "./issuing/issuance.ts";
import { openMandate, type Part } from "./issuing/mandate.ts";
import { SILENT_SECONDS } from "./issuing/offer.ts";
import type { Order } from "./issuing/order.ts";
import { ticketsReply } from "./issuing/tickets-reply.ts";
import { sliceFor } from "./registry/membership.ts";
import type { Release } from "./settlement/release.ts";
import type { Settlement } from "./settlement/settlement.ts";
import { sealAll } from "./signing/seal.ts";
import type { TicketKeys } from "./signing/ticket-keys.ts";
import { advertisements, liveAddresses } from "./store/issuing/advertisements.ts";
import { saveAnswer } from "./store/issuing/replies.ts";
import { closeRequest, keyOfPrincipal } from "./store/issuing/requests.ts";
import { countedSlices, outstandingTickets } from "./store/issuing/tickets.ts";
import { memberChanges } from "./store/registry/slice-members.ts";
import {
  advertisementStruct,
  orderOfCall,
  orderOfDescription,
  resourcesOf,
  resourcesStruct,
} from "./struct.ts";

/** What the handlers hand on to. */
export type AgentParts = {
  readonly database: Database;
  readonly keys: TicketKeys;
  readonly issuance: Issuance;
  readonly deposits: Deposits;
  readonly settlement: Settlement;
  readonly release: Release;
  readonly self: () => AgentSelf;
  /** Runs what nobody waits for. */
  readonly inBackground: Background["run"];
};

/** What an agent says about itself. */
export type AgentSelf = {
  /** 0 where there is none. */
  readonly ports: { readonly plain: number; readonly tls: number; readonly web: number };
  readonly maxLeaseSeconds: number;
  readonly defaultResources: Resources;
  readonly overbooking: number;
  readonly agent: string;
  readonly version: string;
};

type Params<Name extends keyof typeof agentApi> = Parameters<Handlers<typeof agentApi>[Name]>[0];

/** The most tickets one answer lists. */
const MAX_LISTED = 1000;

const DONE = 1 as const;

/** How long an answer is kept that stays true for ever. */
const KEEP_SECONDS = 86_400;

export function agentHandlers(
  parts: AgentParts,
): Omit<Handlers<typeof agentApi>, "getrevocations" | "postrevocations"> {
  const { database, keys, issuance, deposits, settlement, release, self } = parts;

  async function issue(order: Order, { peer, method, replay }: Call): Promise<EncodedReply> {
    refuseUnless(peer, "NO_CERTIFICATE", "tickets are issued over TLS, to a certificate of the authority");
    return await ticketsReply(await issuance.issue(order, { principal: peer.key, method, replay }));
  }

  /** For a broker: tickets for the principal who signed its request, as if that principal had asked. */
  async function issueRequested(
    text: string,
    among: Pick<Params<"gettickets">, "nodes" | "ips">,
    part: Part,
    { peer, method, replay, now }: Call,
  ): Promise<EncodedReply> {
    refuseUnless(peer, "NO_CERTIFICATE", "requests are presented over TLS, by the broker they name");
    const { mandate, request } = await openMandate(text, (name) => keyOfPrincipal(database, name));
    await replay?.signedBy(request.principal);
    checkPresented(request, { broker: peer.name, agent: self().agent, now });
    const order = orderOfDescription(request.description, among, self().defaultResources);
    const caller = { principal: mandate.principal, method, replay, onBehalf: { mandate, part } };
    return await ticketsReply(await issuance.issue(order, caller));
  }

  return {
    getconfig: () => ({
      port: self().ports.plain,
      sslport: self().ports.tls,
      httpport: self().ports.web,
      maxlease: self().maxLeaseSeconds,
      default_resources: resourcesStruct(self().defaultResources),
      overbooking: self().overbooking,
      ticket_key: keys.current.public.spki.toString("base64"),
      ticket_keys: keys.all.map((key) => key.public.spki.toString("base64")),
      agent: self().agent,
      version: self().version,
    }),

    getads: async (filter, { now }) => {
      if (Object.keys(filter).length === 0) return await liveAddresses(database, now - SILENT_SECONDS, now);
      const { overbooking } = self();
      const wanted = {
        ...filter,
        resources: filter.resources && resourcesOf(filter.resources),
        held: filter.held && resourcesOf(filter.held),
        heardSince: filter.heard_within === undefined ? undefined : now - filter.heard_within,
        maxLoad: filter.max_load,
        during: duringOf(filter, now),
        limit: filter.limit ?? MAX_ADS,
      };
      const ads = await advertisements(database, wanted, now, overbooking);
      return ads.map(advertisementStruct);
    },

    gettickets: async ({ description, request, nodes, ips, count, atleast }, call) => {
      refuseUnless(
        description === undefined || request === undefined,
        "MALFORMED",
        "gettickets: send a description or a request",
      );
      if (request !== undefined) {
        return await issueRequested(request, { nodes, ips }, { count, atleast }, call);
      }
      await call.replay?.signedBy("");
      refuseUnless(
        count === undefined && atleast === undefined,
        "MALFORMED",
        "gettickets: count and atleast narrow a request; a description says them itself",
      );
      if (description !== undefined) {
        const read = readSliceDescription(description);
        return await issue(orderOfDescription(read, { nodes, ips }, self().defaultResources), call);
      }
      refuseUnless(
        !nodes && !ips,
        "MALFORMED",
        "gettickets: nodes and ips narrow a description; send it too",
      );
      const since = call.now - CLOCK_SLACK;
      const tickets = await outstandingTickets(database, call.peer?.name, since, MAX_LISTED);
      return await ticketsReply(await sealAll(keys, tickets));
    },

    closerequest: async ({ request: text, after = "" }, { peer, method, now }) => {
      const { mandate, request } = await openMandate(text, (name) => keyOfPrincipal(database, name));
      refuseUnless(
        peer.name === request.principal || peer.name === request.broker,
        "NOT_PRINCIPAL",
        "only the principal who signed a request, or the broker it names, can close it",
      );
      const page = { slice: request.description.name, after, limit: MAX_LISTED };
      const audit = { at: now * 1000, who: peer.name, method };
      const tickets = await closeRequest(database, mandate, page, audit);
      return await ticketsReply(await sealAll(keys, tickets));
    },

    getslices: (_, { now }) => countedSlices(database, now),

    newtickets: (asked, call) => issue(orderOfCall(asked, self().defaultResources), call),

    deposittickets: async (deposit, { peer, replay, now }) => {
      await deposits.deposit(peer.name, deposit, (tx) => keep(tx, replay, DONE, now));
      return DONE;
    },

    settletickets: async (word, { peer, replay, now }) => {
      await settlement.settle(peer.name, word, (tx) => keep(tx, replay, DONE, now));
      return DONE;
    },

    getmembers: ({ since }, { peer }) => memberChanges(database, peer.name, since, MAX_LISTED),

    getslice: async ({ slice }, { peer, now }) => ({
      slice,
      ...(await sliceFor(database, slice, peer.name, now)),
    }),

    releasetickets: async ({ tickets }, { peer, replay, now }) => {
      const released = await release.release(peer.name, tickets, (tx, answer) =>
        keep(tx, replay, answer, now),
      );
      const waiting = released.filter(({ state }) => state === "released").map(({ ticket }) => ticket);
      if (waiting.length > 0) parts.inBackground((signal) => release.reconcile(waiting, signal));
      return released;
    },
  };
}

/** The term an advertisement is about: from now, for as long as a lease lasts, unless the caller says otherwise. */
function duringOf({ from, to }: Params<"getads">, now: Instant): Term {
  const start = from === undefined ? now : parseInstant(from);
  return term(start, to === undefined ? start + DEFAULT_LEASE_SECONDS : parseInstant(to), "term asked about");
}

async function keep(tx: Tx, replay: Replay | undefined, answer: unknown, now: Instant): Promise<void> {
  await replay?.remember(answer, now + KEEP_SECONDS, ({ scope, argumentsHash, reply, until }) =>
    saveAnswer(tx, scope, { argumentsHash, answer: { reply } }, until),
  );
}
