import { refuseUnless } from "#shared/model/errors.ts";
import { CLOCK_SLACK } from "#shared/model/time.ts";
import type { Database } from "#shared/runtime/database.ts";
import { type agentApi, MAX_LISTED } from "#shared/wire/agent-api.ts";
import { checkPresented } from "#shared/wire/request-document.ts";
import { readSliceDescription } from "#shared/wire/slice-description.ts";
import type { Call, EncodedReply, Handlers } from "#shared/wire/xmlrpc/dispatch.ts";
import type { AgentSelf } from "../self.ts";
import { sealAll } from "../signing/seal.ts";
import type { TicketKeys } from "../signing/ticket-keys.ts";
import { closeRequest, keyOfPrincipal } from "../store/issuing/requests.ts";
import { outstandingTickets } from "../store/issuing/tickets.ts";
import { orderOfCall, orderOfDescription } from "../struct.ts";
import type { Issuance } from "./issuance.ts";
import { openMandate, type Part } from "./mandate.ts";
import type { Order } from "./order.ts";
import { ticketsReply } from "./tickets-reply.ts";

export type IssuingParts = {
  readonly database: Database;
  readonly keys: TicketKeys;
  readonly issuance: Issuance;
  readonly self: () => AgentSelf;
};

/** The methods that answer with tickets. */
type IssuingMethods = Pick<Handlers<typeof agentApi>, "gettickets" | "newtickets" | "closerequest">;
type Asked = Parameters<IssuingMethods["gettickets"]>[0];

export function issuingHandlers({ database, keys, issuance, self }: IssuingParts): IssuingMethods {
  async function issue(order: Order, { peer, method, replay }: Call): Promise<EncodedReply> {
    refuseUnless(peer, "NO_CERTIFICATE", "tickets are issued over TLS, to a certificate of the authority");
    return await ticketsReply(await issuance.issue(order, { principal: peer.key, method, replay }));
  }

  /** For a broker: tickets for the principal who signed its request, as if that principal had asked. */
  async function issueRequested(
    text: string,
    among: Pick<Asked, "nodes" | "ips">,
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

  async function outstanding({ peer, now }: Call): Promise<EncodedReply> {
    const tickets = await outstandingTickets(database, peer?.name, now - CLOCK_SLACK, MAX_LISTED);
    return await ticketsReply(await sealAll(keys, tickets));
  }

  return {
    gettickets: async ({ description, request, nodes, ips, count, atleast }, call) => {
      allow(description === undefined || request === undefined, "send a description or a request");
      if (request !== undefined) {
        return await issueRequested(request, { nodes, ips }, { count, atleast }, call);
      }
      await call.replay?.signedBy("");
      allow(
        count === undefined && atleast === undefined,
        "count and atleast narrow a request; a description says them itself",
      );
      if (description !== undefined) {
        const read = readSliceDescription(description);
        return await issue(orderOfDescription(read, { nodes, ips }, self().defaultResources), call);
      }
      allow(!nodes && !ips, "nodes and ips narrow a description; send it too");
      return await outstanding(call);
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

    newtickets: (asked, call) => issue(orderOfCall(asked, self().defaultResources), call),
  };
}

/** Refuses what gettickets takes, and not together. */
function allow(fits: boolean, otherwise: string): void {
  refuseUnless(fits, "MALFORMED", `gettickets: ${otherwise}`);
}
