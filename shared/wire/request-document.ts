import type { KeyName, PublicKey } from "../identity/key.ts";
import type { SigningKey } from "../identity/signature.ts";
import { refuseUnless } from "../model/errors.ts";
import type { SliceDescription } from "../model/slice-description.ts";
import type { DocumentId } from "../model/ticket.ts";
import { CLOCK_SLACK, formatInstant, type Instant, parseInstant } from "../model/time.ts";
import { parseDocument, signDocument, type VerifiedBody, verifyDocument } from "./document.ts";
import { Fields, field, readRoot, writeBody } from "./element.ts";
import { readBase64, readName256, readSerial } from "./fields.ts";
import { readSliceDescription, writeSliceDescription } from "./slice-description.ts";

/**
 * A slice description that a principal lets one broker act on, at the agents it names and for a time (WIRE.md §1,
 * Request): the broker gets tickets for the principal with it, and can redeem none of them.
 */
export type SliceRequest = {
  /** Who asks, and whose key signs. */
  readonly principal: KeyName;
  /** 128 random bits in hex: an agent honours a principal's serial once, whatever it is presented with. */
  readonly serial: string;
  /** The only TLS peer that may present it. */
  readonly broker: KeyName;
  /** The agents it may be presented to, by their identity keys. None is there twice. */
  readonly agents: readonly KeyName[];
  /** Until when it may be acted on; it may not be before one day ahead of that. */
  readonly validTo: Instant;
  /** What is asked for, without a program: that concerns nobody but the service manager. */
  readonly description: SliceDescription;
  /** The text of the description as it was signed. */
  readonly descriptionXml: string;
};

/** What a principal decides of a request besides its description. */
export type RequestTerms = Omit<SliceRequest, "description" | "descriptionXml">;

/** Seconds before its end from which on a request may be acted on. */
export const MAX_REQUEST_SECONDS = 86_400;

/** The most agents one request may be presented to. */
export const MAX_REQUEST_AGENTS = 64;

/**
 * The request for what `description` describes; its program is left out. Throws MALFORMED for a description that
 * cannot be written, BAD_NAME for its name.
 */
export function describedRequest(terms: RequestTerms, description: SliceDescription): SliceRequest {
  const { program: _, ...described } = description;
  const descriptionXml = writeSliceDescription(described);
  return { ...terms, description: readSliceDescription(descriptionXml), descriptionXml };
}

/** Signs a request as its principal. Throws TOO_LARGE for one that no reader would take: above 16 KiB. */
export function sealRequest(request: SliceRequest, principal: SigningKey): string {
  const text = signDocument(principal, writeRequest(request));
  parseDocument(text);
  return text;
}

/** A request that its principal signed, and the name of these exact bytes. */
export type OpenedRequest = { readonly id: DocumentId; readonly request: SliceRequest };

/**
 * Verifies and reads a request that the holder of `principalKey` is trusted to have signed. Who presents it, where and
 * when is for the caller to check: `checkPresented`.
 */
export function openRequest(text: string, principalKey: PublicKey): OpenedRequest {
  const verified = verifyDocument(parseDocument(text), principalKey);
  const request = readRequest(verified);
  refuseUnless(
    request.principal === principalKey.name,
    "NOT_PRINCIPAL",
    "the request names another principal than the one that signed it",
  );
  return { id: verified.id, request };
}

/**
 * Whose request this claims to be, read before anything is verified: only to find the key that it is verified with.
 */
export function claimedSigner(text: string): KeyName {
  return parseDocument(text).keyName;
}

/** Where, by whom and when a request is presented. */
export type Presentation = { readonly broker: KeyName; readonly agent?: KeyName; readonly now: Instant };

/**
 * Refuses a request that is presented by another than its broker or to another than its agents (NOT_PRINCIPAL), or
 * outside its window, with clock slack at both ends (NOT_YET_VALID, EXPIRED).
 */
export function checkPresented(request: SliceRequest, { broker, agent, now }: Presentation): void {
  refuseUnless(
    request.broker === broker,
    "NOT_PRINCIPAL",
    "the request was signed for another broker; only the broker it names may present it",
  );
  refuseUnless(
    agent === undefined || request.agents.includes(agent),
    "NOT_PRINCIPAL",
    "the request does not name this agent; ask its principal for one that does",
  );
  refuseUnless(
    now >= request.validTo - MAX_REQUEST_SECONDS - CLOCK_SLACK,
    "NOT_YET_VALID",
    "the request ends more than one day ahead; sign one that ends within a day",
  );
  refuseUnless(
    now < request.validTo + CLOCK_SLACK,
    "EXPIRED",
    `the request ended at ${formatInstant(request.validTo)}; sign a new one`,
  );
}

const ELEMENTS = ["principal_sha256", "serial", "broker_sha256", "validto_time", "description"];

function readRequest(verified: VerifiedBody): SliceRequest {
  const fields = new Fields(readRoot(verified.body, "request"), ELEMENTS, ["agent_sha256"]);
  const xml = readBase64(fields.text("description"));
  const description = readSliceDescription(xml);
  refuseUnless(
    description.program === undefined,
    "MALFORMED",
    "the description in a request has a program; leave it out: only the service manager starts it",
  );
  return {
    principal: readName256(fields.text("principal_sha256")),
    serial: readSerial(fields.text("serial")),
    broker: readName256(fields.text("broker_sha256")),
    agents: checkedAgents(fields.texts("agent_sha256").map(readName256)),
    validTo: parseInstant(fields.text("validto_time")),
    description,
    descriptionXml: xml.toString("utf8"),
  };
}

function checkedAgents(agents: readonly KeyName[]): readonly KeyName[] {
  refuseUnless(
    agents.length >= 1 && agents.length <= MAX_REQUEST_AGENTS && new Set(agents).size === agents.length,
    "MALFORMED",
    `a request names 1 to ${MAX_REQUEST_AGENTS} agents, none of them twice`,
  );
  return agents;
}

/** Writes the body of a request: the bytes that are signed and whose hash names it. */
export function writeRequest(request: SliceRequest): Buffer {
  return writeBody("request", [
    field("principal_sha256", request.principal),
    field("serial", request.serial),
    field("broker_sha256", request.broker),
    ...request.agents.map((agent) => field("agent_sha256", agent)),
    field("validto_time", formatInstant(request.validTo)),
    field("description", Buffer.from(request.descriptionXml).toString("base64")),
  ]);
}
