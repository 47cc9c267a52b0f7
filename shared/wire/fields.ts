import { isIP } from "node:net";
import { type Capability, isCapability } from "../model/capability.ts";
import { Fault, refuseUnless } from "../model/errors.ts";
import type { PortRange } from "../model/ports.ts";
import type { Ceilings, Resources, Share } from "../model/resources.ts";
import { checkSliceName } from "../model/slice-name.ts";
import { ENGINES, type EngineName } from "../model/ticket.ts";
import { formatInstant, parseInstant, type Term } from "../model/time.ts";
import {
  type Element,
  type Fields,
  Fields as FieldsOf,
  field,
  group,
  listOf,
  type Part,
  plainText,
} from "./element.ts";

/** How single values of documents are read and written: one pair of functions a kind of value (WIRE.md §1). */

const NUMBER = /^(0|[1-9][0-9]{0,11})$/;
const IMAGE = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** A whole number of up to 12 digits, written in one way only. Throws MALFORMED. */
export function readNumber(text: string): number {
  refuseUnless(
    NUMBER.test(text),
    "MALFORMED",
    `"${text.slice(0, 20)}" is not a whole number of up to 12 digits`,
  );
  return Number(text);
}

export function readName256(text: string): string {
  refuseUnless(/^[0-9a-f]{64}$/.test(text), "MALFORMED", "a SHA-256 is 64 lower-case hex digits");
  return text;
}

export function readSha1(text: string): string {
  refuseUnless(/^[0-9a-f]{40}$/.test(text), "MALFORMED", "a SHA-1 is 40 lower-case hex digits");
  return text;
}

export function readSerial(text: string): string {
  refuseUnless(/^[0-9a-f]{32}$/.test(text), "MALFORMED", "a serial is 32 lower-case hex digits");
  return text;
}

/** An IPv4 or IPv6 address, without a zone: that would mean something else on every machine. */
export function readIp(text: string): string {
  refuseUnless(
    isIP(text) !== 0 && !text.includes("%"),
    "MALFORMED",
    `"${text.slice(0, 45)}" is not an IP address`,
  );
  return text;
}

export function readEngine(text: string): EngineName {
  const engine = ENGINES.find((name) => name === text);
  refuseUnless(
    engine,
    "MALFORMED",
    `"${text.slice(0, 20)}" is not an engine; use one of ${ENGINES.join(", ")}`,
  );
  return engine;
}

export function readImage(text: string): string {
  refuseUnless(
    IMAGE.test(text),
    "MALFORMED",
    "an image's name is up to 64 of a-z, 0-9, dot, dash, underscore",
  );
  return text;
}

export const readSlice = checkSliceName;

/** Base64 that decodes and encodes to itself: one text for one value. */
export function readBase64(text: string): Buffer {
  const bytes = Buffer.from(text, "base64");
  refuseUnless(
    bytes.length > 0 && bytes.toString("base64") === text,
    "MALFORMED",
    "the base64 is not canonical",
  );
  return bytes;
}

/** The term between two fields. Throws MALFORMED unless it ends after it starts. */
export function readTerm(fields: Fields, from: string, to: string): Term {
  const [start, end] = [parseInstant(fields.text(from)), parseInstant(fields.text(to))];
  refuseUnless(start < end, "MALFORMED", `${to} must be after ${from}`);
  return { start, end };
}

export function termFields(term: Term, from: string, to: string): Part[] {
  return [field(from, formatInstant(term.start)), field(to, formatInstant(term.end))];
}

const RESOURCE_ELEMENTS = ["cpu_millis", "memory_mib", "disk_mib", "egress_kbps"] as const;

export function readResources(element: Element): Resources {
  return resourcesOf(new FieldsOf(element, RESOURCE_ELEMENTS));
}

export function readShare(element: Element): Share {
  const fields = new FieldsOf(element, [...RESOURCE_ELEMENTS, "slivers"]);
  return { ...resourcesOf(fields), slivers: readNumber(fields.text("slivers")) };
}

function resourcesOf(fields: Fields): Resources {
  return {
    cpuMillis: readNumber(fields.text("cpu_millis")),
    memoryMib: readNumber(fields.text("memory_mib")),
    diskMib: readNumber(fields.text("disk_mib")),
    egressKbps: readNumber(fields.text("egress_kbps")),
  };
}

export function resourcesPart(resources: Resources & { slivers?: number }): Part {
  return group("resources", [
    field("cpu_millis", resources.cpuMillis),
    field("memory_mib", resources.memoryMib),
    field("disk_mib", resources.diskMib),
    field("egress_kbps", resources.egressKbps),
    field("slivers", resources.slivers),
  ]);
}

export function readCeilings(fields: Fields): Ceilings {
  if (!fields.has("ceilings")) return {};
  const inner = new FieldsOf(fields.element("ceilings"), ["cpu_millis", "egress_kbps"]);
  const cpuMillis = inner.optional("cpu_millis", readNumber);
  const egressKbps = inner.optional("egress_kbps", readNumber);
  return { ...(cpuMillis !== undefined && { cpuMillis }), ...(egressKbps !== undefined && { egressKbps }) };
}

export function ceilingsPart(ceilings: Ceilings): Part {
  return group("ceilings", [
    field("cpu_millis", ceilings.cpuMillis),
    field("egress_kbps", ceilings.egressKbps),
  ]);
}

export function readPorts(fields: Fields): PortRange[] {
  if (!fields.has("ports")) return [];
  return listOf(fields.element("ports"), "port").map(readPort);
}

function readPort(element: Element): PortRange {
  const { protocol, from, to, ...rest } = element.attributes;
  const exact = element.text === "" && element.children.length === 0 && Object.keys(rest).length === 0;
  refuseUnless(exact && protocol && from && to, "MALFORMED", "a port has exactly protocol, from and to");
  return readPortRange(protocol, from, to);
}

export function readPortRange(protocol: string, from: string, to: string): PortRange {
  if (protocol !== "tcp" && protocol !== "udp")
    throw new Fault("MALFORMED", "a port's protocol is tcp or udp");
  const range = { protocol, from: readNumber(from), to: readNumber(to) } as const;
  refuseUnless(
    range.from >= 1 && range.from <= range.to && range.to <= 65535,
    "MALFORMED",
    "ports run from 1 to 65535, from ≤ to",
  );
  return range;
}

export function portsPart(ports: readonly PortRange[]): Part {
  return group(
    "ports",
    ports.map((p) => `<port protocol="${p.protocol}" from="${p.from}" to="${p.to}"/>`),
  );
}

/** Present but empty is read as an empty list, which the ticket's own rules then refuse. */
export function readAdministrative(fields: Fields): Capability[] | undefined {
  if (!fields.has("administrative")) return undefined;
  const names = listOf(fields.element("administrative"), "capability").map(plainText);
  refuseUnless(new Set(names).size === names.length, "MALFORMED", "a capability is listed twice");
  return names.map(readCapability);
}

export function readCapability(name: string): Capability {
  refuseUnless(
    isCapability(name),
    "MALFORMED",
    `"${name.slice(0, 30)}" is not a capability that may be granted`,
  );
  return name;
}

export function administrativePart(capabilities: readonly Capability[] | undefined): Part {
  return (
    capabilities &&
    group(
      "administrative",
      capabilities.map((name) => field("capability", name)),
    )
  );
}
