import type { SigningKey } from "#shared/identity/signature.ts";
import type { Ticket } from "#shared/model/ticket.ts";
import { writeTicket } from "#shared/wire/ticket-document.ts";
import {
  DAY,
  HOUR,
  holdingUnder,
  KEYS,
  NOW,
  rootTicket,
  sealBody,
  sealedRoot,
  serial,
  sliceTicketUnder,
} from "#test/support/documents.ts";
import { edited, type Vector } from "../vector.ts";

/** Bodies of tickets, one by one, each properly signed: what the XML may be, and what it may say (WIRE.md §1, Ticket). */

const root = sealedRoot();

/** A holding in which every optional element stands, and the branch's. */
export const HOLDING: Ticket = holdingUnder(root, {
  replaces: "ab".repeat(32),
  slicePrefix: "princeton",
  ceilings: { cpuMillis: 6000, egressKbps: 50_000 },
  engine: "container",
  image: "debian-12",
  ports: [
    { protocol: "tcp", from: 8000, to: 8999 },
    { protocol: "udp", from: 53, to: 53 },
  ],
  administrative: ["CAP_NET_RAW", "CAP_SYS_TIME"],
  overbooking: 1500,
});

/** A slice ticket in which every optional element stands. */
const SLICE_TICKET: Ticket = sliceTicketUnder(root, {
  ceilings: { cpuMillis: 1000, egressKbps: 5000 },
  engine: "container",
  image: "debian-12",
  ports: [{ protocol: "tcp", from: 8080, to: 8081 }],
  administrative: ["CAP_NET_RAW"],
});

/** What can be said in a body, as text to change. */
export const holdingBody = writeTicket(HOLDING).toString();
export const sliceBody = writeTicket(SLICE_TICKET).toString();

/** A body signed by the agent, which is the key its reader is given. */
export function signed(name: string, body: string, why: string, key: SigningKey = KEYS.agent): Vector {
  const { text, id } = sealBody(Buffer.from(body), key);
  return { name, text, why, given: { key: key === KEYS.node ? "node" : "agent" }, id };
}

export function validTickets(): Vector[] {
  const text = (ticket: Ticket) => writeTicket(ticket).toString();
  const lines = sliceBody.split("\n");
  const reversed = [...lines.slice(0, 2), ...lines.slice(2, -1).reverse(), lines.at(-1)].join("\n");
  return [
    signed("root", text(rootTicket()), "a root ticket: signed by its node, split from nothing", KEYS.node),
    signed("holding-full", holdingBody, "a holding with every element there is"),
    signed("slice-ticket", text(sliceTicketUnder(root)), "a slice ticket with what it must have"),
    signed("slice-ticket-full", sliceBody, "a slice ticket with every element there is"),
    signed("any-order", reversed, "elements may stand in any order"),
    signed("white-space", spread(sliceBody), "white space around elements and values says nothing"),
    signed("one-line", sliceBody.replaceAll(/>\s+</g, "><"), "nor does its absence"),
    signed("crlf", sliceBody.replaceAll("\n", "\r\n"), "nor do CRLF in the body, where they are signed"),
    signed("no-declaration", edited(sliceBody, /^<\?xml.*\?>\n/, ""), "the XML declaration may be left out"),
    signed(
      "single-quotes",
      edited(sliceBody, 'version="1">', "version = '1' >"),
      "XML's other ways to write tags",
    ),
    signed("closed-with-space", edited(sliceBody, "</serial>", "</serial >"), "white space in a closing tag"),
    signed(
      "no-ceilings",
      edited(sliceBody, /<ceilings>.*<\/ceilings>/, "<ceilings/>"),
      "an empty element for no ceilings",
    ),
    signed(
      "no-ports",
      edited(sliceBody, /<ports>.*<\/ports>/, "<ports></ports>"),
      "an empty element for no ports",
    ),
    signed("no-overbooking", edited(sliceBody, /<overbooking>.*<\/overbooking>/, ""), "absent: 1000, none"),
    signed(
      "no-renewable-until",
      edited(sliceBody, /<renewable_until_time>.*<\/renewable_until_time>/, ""),
      "absent: start_time and twice the length",
    ),
    signed("largest-number", edited(sliceBody, ">250<", ">999999999999<"), "twelve digits"),
    signed("zeroes", edited(sliceBody, ">250<", ">0<"), "0 thousandths of a core: no guarantee"),
    signed(
      "leap-day",
      edited(holdingBody, /<end_time>[^<]*/, "<end_time>2032-02-29 23:59:59"),
      "a day that is in the calendar",
    ),
    signed("ipv6", edited(sliceBody, "10.77.0.1", "2001:db8::1"), "addresses are text"),
    signed(
      "shortest-term",
      text(
        sliceTicketUnder(root, {
          validity: { start: NOW, end: NOW + 1 },
          term: { start: NOW, end: NOW + 1 },
          renewableUntil: NOW + 1,
        }),
      ),
      "one second",
    ),
    signed("holding-rsa-key", text(holdingUnder(root, { to: KEYS.bob })), "a holding given to an RSA key"),
    signed("splits-1", text(holdingUnder(root, { splits: 1 })), "a holding with one more link"),
    signed(
      "later-term",
      text(
        sliceTicketUnder(root, {
          serial: serial(9),
          term: { start: NOW + DAY, end: NOW + DAY + HOUR },
          renewableUntil: NOW + DAY + HOUR,
        }),
      ),
      "a future term, renewable no further",
    ),
  ];
}

function spread(body: string): string {
  return body
    .replaceAll(/<([a-z_0-9]+)>([^<\s][^<]*)<\//g, "\n\t <$1>\r\n  $2\t\n</")
    .replaceAll("/><", "/>\n\n<");
}
