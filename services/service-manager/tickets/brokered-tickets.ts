import { isIP } from "node:net";
import type { GrantedTicket } from "#services/broker/acquisition/ask.ts";
import type { KeyName, PublicKey } from "#shared/identity/key.ts";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import type { Resources } from "#shared/model/resources.ts";
import type { SliceDescription } from "#shared/model/slice-description.ts";
import type { Instant } from "#shared/model/time.ts";
import type { AcquisitionStruct } from "#shared/wire/broker-api.ts";
import { openIssuedTicket } from "#shared/wire/chain.ts";
import { parseDocument } from "#shared/wire/document.ts";
import { TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import type { NodeAddress, OpenRequest } from "../journal/slice-record.ts";

/** An agent of ours that a request names, and the keys that sign its tickets: from itself, never from a broker. */
export type NamedAgent = {
  /** What it is called here. */
  readonly name: string;
  readonly identity: KeyName;
  readonly ticketKeys: readonly PublicKey[];
};

/** A ticket that a request brought, and where its node is. */
export type BroughtTicket = GrantedTicket & {
  readonly address: NodeAddress;
  /** It can only be given back: its time is over, or nobody says where its node listens. */
  readonly useless?: boolean;
};

/** What the tickets of a request have to say. */
export type TicketTerms = {
  readonly description: SliceDescription;
  readonly principal: KeyName;
  readonly resources: Resources;
  readonly agents: readonly NamedAgent[];
  readonly now: Instant;
};

/**
 * The tickets in a broker's answer, in order of preference, standbys last: each signed by an agent that the request
 * named, and saying what was asked for. A broker's word is worth nothing else. Throws TransportError where it answered
 * with anything but that.
 */
export function broughtTickets(
  answer: AcquisitionStruct,
  request: OpenRequest,
  terms: TicketTerms,
): BroughtTicket[] {
  try {
    const brought = [...answer.tickets, ...answer.standby].map((text) => {
      const { agent, ...ticket } = openedTicket(text, terms);
      refuseUnless(
        isUsable(ticket, terms),
        "BAD_CHAIN",
        `the ticket for ${ticket.ticket.ip} is spent or too small`,
      );
      return { ...ticket, address: addressIn(answer, ticket, agent) };
    });
    checkAsked(brought, answer, request, terms.description);
    return brought;
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw new TransportError(
      "malformed",
      `the broker ${request.broker} answered with other tickets than those asked for (${cause.sentence}); tell its owner`,
      { cause },
    );
  }
}

/** A ticket that one of the agents signed for this principal's slice. */
export function openedTicket(
  text: string,
  { description, principal, agents }: TicketTerms,
): GrantedTicket & { readonly agent: NamedAgent } {
  const { keyName } = parseDocument(text);
  const agent = agents.find(({ ticketKeys }) => ticketKeys.some((key) => key.name === keyName));
  refuseUnless(agent, "UNKNOWN_KEY", "none of the agents asked has signed one of them");
  const { id, ticket, signer } = openIssuedTicket(text, agent.ticketKeys);
  refuseUnless(
    ticket.slice === description.name && ticket.principal === principal,
    "BAD_CHAIN",
    `the ticket for ${ticket.ip} is for another slice`,
  );
  return { id, text, ticket, signer, agent };
}

/** Whether a ticket can be redeemed now, and is for as much as was asked. */
export function isUsable({ ticket }: GrantedTicket, { resources, now }: TicketTerms): boolean {
  return (
    ticket.validity.end > now &&
    ticket.resources.cpuMillis >= resources.cpuMillis &&
    ticket.resources.memoryMib >= resources.memoryMib &&
    ticket.resources.diskMib >= resources.diskMib &&
    ticket.resources.egressKbps >= resources.egressKbps
  );
}

function addressIn(
  { specification }: AcquisitionStruct,
  { ticket }: GrantedTicket,
  agent: NamedAgent,
): NodeAddress {
  const { chosen = [], standby = [] } = specification ?? {};
  const specified = [...chosen, ...standby].find(({ node }) => node === ticket.node);
  refuseUnless(
    specified && specified.ip === ticket.ip && specified.agent === agent.identity && specified.sslport > 0,
    "BAD_CHAIN",
    `the ticket for ${ticket.ip} is for a node that is not specified, or specified otherwise`,
  );
  const { node, ip, sslport, site } = specified;
  return { node, ip, sslport, site, agent: agent.name };
}

/** No more than was asked for, each on a node of its own, and on none that is out of the question. */
function checkAsked(
  brought: readonly BroughtTicket[],
  { tickets, standby }: AcquisitionStruct,
  request: OpenRequest,
  { where }: SliceDescription,
): void {
  const nodes = new Set(brought.map(({ ticket }) => ticket.node));
  const excluded = new Set([...request.holds, ...request.avoid, ...where.avoid]);
  const among = new Set(where.nodes);
  const names = ({ ticket }: BroughtTicket) => [ticket.node, canonical(ticket.ip)];
  refuseUnless(
    tickets.length <= request.wanted && standby.length <= request.standby && nodes.size === brought.length,
    "BAD_CHAIN",
    "there are more of them than asked for, or two for one node",
  );
  const wrong = brought.find(
    (ticket) =>
      names(ticket).some((name) => excluded.has(name)) ||
      (among.size > 0 && !names(ticket).some((name) => among.has(name))),
  );
  refuseUnless(!wrong, "BAD_CHAIN", `the node ${wrong?.ticket.ip} was not to be asked`);
}

function canonical(ip: string): string {
  return isIP(ip) === 6 ? ip.toLowerCase() : ip;
}
