import { type PublicKey, publicKeyFromSpki } from "../identity/key.ts";
import { algorithmOf } from "../identity/signature.ts";
import { Fault, refuseUnless } from "../model/errors.ts";
import {
  checkConsistent,
  defaultRenewableUntil,
  type Holding,
  type SliceTicket,
  type Ticket,
} from "../model/ticket.ts";
import { formatInstant, parseInstant } from "../model/time.ts";
import type { VerifiedBody } from "./document.ts";
import { Fields, field, readRoot, writeBody } from "./element.ts";
import {
  administrativePart,
  ceilingsPart,
  portsPart,
  readAdministrative,
  readBase64,
  readCeilings,
  readEngine,
  readImage,
  readIp,
  readName256,
  readNumber,
  readPorts,
  readResources,
  readSerial,
  readSha1,
  readShare,
  readSlice,
  readTerm,
  resourcesPart,
  termFields,
} from "./fields.ts";

const COMMON = [
  "serial",
  "parent_sha256",
  "issuer_sha256",
  "principal_sha256",
  "principle_sha1",
  "splits",
  "node_sha256",
  "ip",
  "validfrom_time",
  "validto_time",
  "start_time",
  "end_time",
  "resources",
  "ceilings",
  "engine",
  "image",
  "ports",
  "administrative",
  "overbooking",
] as const;
const HOLDING_ONLY = ["replaces_sha256", "principal_key", "holder_sha256", "slice_prefix"] as const;
const SLICE_ONLY = ["slice", "renewable_until_time"] as const;
const ELEMENTS = [...COMMON, ...HOLDING_ONLY, ...SLICE_ONLY];

/**
 * Reads a verified body as a ticket: a holding (principal_key, splits ≥ 1) or a slice ticket (slice, splits 0), and
 * nothing between (WIRE.md §1). Whether it may say what it says is for its chain to decide.
 */
export function readTicket(verified: VerifiedBody): Ticket {
  return readTicketAndKey(verified).ticket;
}

/** The same, and for a holding the key that verifies what is split from it: importing a key is what costs here. */
export function readTicketAndKey(verified: VerifiedBody): { ticket: Ticket; key?: PublicKey } {
  const fields = new Fields(readRoot(verified.body, "ticket"), ELEMENTS);
  const splits = readNumber(fields.text("splits"));
  if (splits === 0) return { ticket: consistent(readSliceTicket(fields)) };
  const key = readPrincipalKey(fields);
  return { ticket: consistent(readHolding(fields, splits, key)), key };
}

function consistent(ticket: Ticket): Ticket {
  checkConsistent(ticket);
  return ticket;
}

function readCommon(fields: Fields) {
  return {
    serial: readSerial(fields.text("serial")),
    parent: fields.optional("parent_sha256", readName256),
    issuer: readName256(fields.text("issuer_sha256")),
    principal: readName256(fields.text("principal_sha256")),
    principleSha1: readSha1(fields.text("principle_sha1")),
    node: readName256(fields.text("node_sha256")),
    ip: readIp(fields.text("ip")),
    validity: readTerm(fields, "validfrom_time", "validto_time"),
    term: readTerm(fields, "start_time", "end_time"),
    ceilings: readCeilings(fields),
    engine: fields.optional("engine", readEngine),
    image: fields.optional("image", readImage),
    ports: readPorts(fields),
    administrative: readAdministrative(fields),
    overbooking: fields.optional("overbooking", readNumber) ?? 1000,
  };
}

function readSliceTicket(fields: Fields): SliceTicket {
  refuseMixture(fields, "a slice ticket (splits 0)", "slice", HOLDING_ONLY);
  const common = readCommon(fields);
  return {
    kind: "slice",
    ...common,
    slice: readSlice(fields.text("slice")),
    renewableUntil:
      fields.optional("renewable_until_time", parseInstant) ?? defaultRenewableUntil(common.term),
    resources: readResources(fields.element("resources")),
  };
}

function readPrincipalKey(fields: Fields): PublicKey {
  refuseMixture(fields, "a holding (splits above 0)", "principal_key", SLICE_ONLY);
  const key = publicKeyFromSpki(readBase64(fields.text("principal_key")));
  // A key that signs no documents could never split what it holds.
  algorithmOf(key);
  refuseUnless(
    key.name === fields.text("principal_sha256"),
    "BAD_CHAIN",
    "principal_key is not the key that principal_sha256 names",
  );
  return key;
}

function readHolding(fields: Fields, splits: number, key: PublicKey): Holding {
  return {
    kind: "holding",
    ...readCommon(fields),
    splits,
    principalKey: key.spki,
    replaces: fields.optional("replaces_sha256", readName256),
    holder: fields.optional("holder_sha256", readName256),
    slicePrefix: fields.optional("slice_prefix", readSlice),
    resources: readShare(fields.element("resources")),
  };
}

/** A ticket is a holding or a slice ticket: it has the mark of its own kind, and nothing of the other. */
function refuseMixture(fields: Fields, what: string, mark: string, foreign: readonly string[]): void {
  refuseUnless(fields.has(mark), "BAD_CHAIN", `${what} must carry ${mark}`);
  const wrong = foreign.find((name) => fields.has(name));
  if (wrong)
    throw new Fault("BAD_CHAIN", `${what} cannot carry ${wrong}: it is either split or redeemed, never both`);
}

/** Writes the body of a ticket: the bytes that are signed and whose hash names it. */
export function writeTicket(ticket: Ticket): Buffer {
  const holding = ticket.kind === "holding" ? ticket : undefined;
  const slice = ticket.kind === "slice" ? ticket : undefined;
  return writeBody("ticket", [
    field("serial", ticket.serial),
    field("parent_sha256", ticket.parent),
    field("replaces_sha256", holding?.replaces),
    field("issuer_sha256", ticket.issuer),
    field("principal_sha256", ticket.principal),
    field("principle_sha1", ticket.principleSha1),
    field("principal_key", holding?.principalKey.toString("base64")),
    field("holder_sha256", holding?.holder),
    field("splits", holding?.splits ?? 0),
    field("node_sha256", ticket.node),
    field("ip", ticket.ip),
    field("slice_prefix", holding?.slicePrefix),
    field("slice", slice?.slice),
    ...termFields(ticket.validity, "validfrom_time", "validto_time"),
    ...termFields(ticket.term, "start_time", "end_time"),
    field("renewable_until_time", slice && formatInstant(slice.renewableUntil)),
    resourcesPart(ticket.resources),
    ceilingsPart(ticket.ceilings),
    field("engine", ticket.engine),
    field("image", ticket.image),
    portsPart(ticket.ports),
    administrativePart(ticket.administrative),
    field("overbooking", ticket.overbooking),
  ]);
}
