import type { PublicKey } from "../identity/key.ts";
import type { SigningKey } from "../identity/signature.ts";
import { refuseUnless } from "../model/errors.ts";
import type { DocumentId } from "../model/ticket.ts";
import { formatInstant, type Instant, parseInstant } from "../model/time.ts";
import { parseDocument, signDocument, type VerifiedBody, verifyDocument } from "./document.ts";
import {
  type Element,
  Fields,
  field,
  group,
  listOf,
  type Part,
  plainText,
  readRoot,
  writeBody,
} from "./element.ts";
import { readName256, readNumber } from "./fields.ts";

/**
 * What a node says of one ticket. `outstanding`: nobody has used it yet, and somebody may (a holding: it is not closed);
 * only said to those who ask without cancelling. `cancelled`: it will never be redeemed (a holding: nothing beneath it will be any
 * more). `unredeemed`: it was not, and its time to be redeemed is over. `leased`: its lease lives or is being made.
 * `ended`: its lease was deleted or ran out.
 */
export const TICKET_STATES = ["outstanding", "cancelled", "unredeemed", "leased", "ended"] as const;
export type TicketState = (typeof TICKET_STATES)[number];

/** The leases that still live beneath a cancelled holding: how many, and the tickets of the first of them. */
export type LeasesBeneath = { readonly count: number; readonly tickets: readonly DocumentId[] };

export type StatedTicket = {
  readonly id: DocumentId;
  readonly state: TicketState;
  /** In holdings only. */
  readonly beneath?: LeasesBeneath;
};

/** A node's word about tickets, signed by its identity key: what frees them at their issuer (WIRE.md §1, Who frees). */
export type Statement = {
  readonly node: string;
  readonly at: Instant;
  readonly tickets: readonly StatedTicket[];
};

/** How many tickets one statement speaks of, so that its body stays below the 16 KiB of any document. */
export const MAX_STATED_TICKETS = 50;

/** How many tickets of leases one statement lists beneath all its holdings together; `count` counts them all. */
export const MAX_LISTED_BENEATH = 64;

export function sealStatement(statement: Statement, node: SigningKey): string {
  return signDocument(node, writeStatement(statement));
}

/** Verifies and reads a statement that `node` is trusted to have signed. */
export function openStatement(text: string, node: PublicKey): Statement {
  const statement = readStatement(verifyDocument(parseDocument(text), node));
  refuseUnless(
    statement.node === node.name,
    "WRONG_NODE",
    "the statement names another node than the one that signed it",
  );
  return statement;
}

function readStatement(verified: VerifiedBody): Statement {
  const fields = new Fields(readRoot(verified.body, "statement"), ["node_sha256", "at_time", "tickets"]);
  return {
    node: readName256(fields.text("node_sha256")),
    at: parseInstant(fields.text("at_time")),
    tickets: fields.has("tickets") ? listOf(fields.element("tickets"), "ticket").map(readStated) : [],
  };
}

export function writeStatement(statement: Statement): Buffer {
  return writeBody("statement", [
    field("node_sha256", statement.node),
    field("at_time", formatInstant(statement.at)),
    group("tickets", statement.tickets.map(statedPart)),
  ]);
}

function readStated(element: Element): StatedTicket {
  const fields = new Fields(element, ["sha256", "state", "beneath"]);
  const state = TICKET_STATES.find((name) => name === fields.text("state"));
  refuseUnless(state, "MALFORMED", `a ticket's state is one of ${TICKET_STATES.join(", ")}`);
  const stated = { id: readName256(fields.text("sha256")), state };
  return fields.has("beneath") ? { ...stated, beneath: readBeneath(fields.element("beneath")) } : stated;
}

function readBeneath(element: Element): LeasesBeneath {
  const fields = new Fields(element, ["count", "leases"]);
  const listed = fields.has("leases") ? listOf(fields.element("leases"), "ticket_sha256") : [];
  return {
    count: readNumber(fields.text("count")),
    tickets: listed.map((ticket) => readName256(plainText(ticket))),
  };
}

function statedPart(ticket: StatedTicket): Part {
  return group("ticket", [
    field("sha256", ticket.id),
    field("state", ticket.state),
    ticket.beneath &&
      group("beneath", [
        field("count", ticket.beneath.count),
        group(
          "leases",
          ticket.beneath.tickets.map((id) => field("ticket_sha256", id)),
        ),
      ]),
  ]);
}
