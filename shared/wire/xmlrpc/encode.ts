import { Fault, refuseUnless } from "#shared/model/errors.ts";
import { escapeXml } from "../xml.ts";
import { writeDateTime, writeNumber } from "./scalar.ts";
import { REQUEST_LIMITS } from "./value.ts";

/** How every message of ours begins. */
export const PROLOG = '<?xml version="1.0" encoding="UTF-8"?>\n';

/**
 * What may be encoded: a `Value`, where a struct's member may also be `undefined` and is then left out. Typed loosely
 * because handlers return interfaces; anything else found in it is refused when it is met.
 */
export type Encodable = unknown;

/** A call with its positional parameters, ready to be sent. Refuses what XML or XML-RPC cannot carry: MALFORMED. */
export function encodeCall(method: string, params: readonly Encodable[]): Buffer {
  let xml = `${PROLOG}<methodCall><methodName>${writeText(method)}</methodName><params>`;
  for (const param of params) xml += `<param>${writeValue(param, 0)}</param>`;
  return Buffer.from(`${xml}</params></methodCall>`);
}

/** A successful answer. What cannot be written is the server's own mistake: TypeError, not a Fault. */
export function encodeResponse(result: Encodable): Buffer {
  let value: string;
  try {
    value = writeValue(result, 0);
  } catch (cause) {
    throw new TypeError("a result cannot be written in XML-RPC", { cause });
  }
  return Buffer.from(`${PROLOG}<methodResponse><params><param>${value}</param></params></methodResponse>`);
}

/** A value written already, to stand in an answer as it is: lets a long list be written without holding the event loop. */
export class WrittenValue {
  readonly xml: string;
  constructor(value: Encodable) {
    this.xml = writeValue(value, 0);
  }
}

/** A refusal. Never fails: characters that XML cannot carry are replaced in its sentence. */
export function encodeFault(fault: { readonly code: number; readonly message: string }): Buffer {
  const text = fault.message.toWellFormed().replace(NOT_XML_ALL, "\uFFFD");
  const value = writeValue({ faultCode: fault.code, faultString: text }, 0);
  return Buffer.from(`${PROLOG}<methodResponse><fault>${value}</fault></methodResponse>`);
}

/**
 * One spelling for equal arguments whatever the order of their members: what a replay is compared by. Not sent to
 * anybody.
 */
export function canonicalBytes(value: Encodable): Buffer {
  return Buffer.from(writeValue(value, 0, true));
}

function writeValue(value: Encodable, nesting: number, sorted = false): string {
  switch (typeof value) {
    case "string":
      return `<value><string>${writeText(value)}</string></value>`;
    case "number":
      return `<value>${writeNumber(value)}</value>`;
    case "boolean":
      return value ? "<value><boolean>1</boolean></value>" : "<value><boolean>0</boolean></value>";
    case "object":
      if (value instanceof WrittenValue) return value.xml;
      return `<value>${writeObject(value, nesting, sorted)}</value>`;
    default:
      throw new Fault("MALFORMED", `a ${typeof value} cannot be written in XML-RPC`);
  }
}

function writeObject(value: object | null, nesting: number, sorted: boolean): string {
  if (value === null) return "<nil/>";
  if (value instanceof Date) return `<dateTime.iso8601>${writeDateTime(value)}</dateTime.iso8601>`;
  if (value instanceof Uint8Array) return `<base64>${Buffer.from(value).toString("base64")}</base64>`;
  refuseUnless(
    nesting < REQUEST_LIMITS.maxNesting,
    "TOO_LARGE",
    `a value is nested deeper than ${REQUEST_LIMITS.maxNesting}`,
  );
  return Array.isArray(value)
    ? writeArray(value, nesting + 1, sorted)
    : writeStruct(value as Record<string, Encodable>, nesting + 1, sorted);
}

function writeArray(items: readonly Encodable[], nesting: number, sorted: boolean): string {
  let xml = "<array><data>";
  for (const item of items) xml += writeValue(item, nesting, sorted);
  return `${xml}</data></array>`;
}

function writeStruct(struct: Readonly<Record<string, Encodable>>, nesting: number, sorted: boolean): string {
  const names = sorted ? Object.keys(struct).sort() : Object.keys(struct);
  let xml = "<struct>";
  for (const name of names) {
    const member = struct[name];
    if (member === undefined) continue;
    xml += `<member><name>${writeText(name)}</name>${writeValue(member, nesting, sorted)}</member>`;
  }
  return `${xml}</struct>`;
}

const NEEDS_CARE = /[\0-\x08\x0B-\x1F&<>"\uD800-\uDFFF\uFFFE\uFFFF]/;
const NOT_XML = /[\0-\x08\x0B\x0C\x0E-\x1F\uFFFE\uFFFF]/;
const NOT_XML_ALL = new RegExp(NOT_XML, "g");

/** One look at most strings, a second at those with something to escape or refuse. */
function writeText(text: string): string {
  if (!NEEDS_CARE.test(text)) return text;
  refuseUnless(
    !NOT_XML.test(text) && text.isWellFormed(),
    "MALFORMED",
    "a text holds a character that XML cannot carry; send it as base64",
  );
  return escapeXml(text);
}
