import { Fault, refuseUnless } from "../../model/errors.ts";
import { XdrReader, XdrWriter } from "./xdr.ts";

/** What gmond sends and takes at most, in bytes (`max_udp_msg_len`): one Ethernet frame. */
const MAX_PACKET_BYTES = 1472;
const MAX_TEXT_BYTES = 1400;
const MAX_NAME_BYTES = 255;
const MAX_FORMAT_BYTES = 16;
const MAX_EXTRAS = 32;

/** How a metric moves, in the order of Ganglia's numbers. */
export const SLOPES = ["zero", "positive", "negative", "both", "unspecified", "derivative"] as const;
export type Slope = (typeof SLOPES)[number];

/** What a value is, as metadata and dumps call it. */
export const METRIC_TYPES = [
  "string",
  "int8",
  "uint8",
  "int16",
  "uint16",
  "int32",
  "uint32",
  "float",
  "double",
  "timestamp",
] as const;
export type MetricType = (typeof METRIC_TYPES)[number];

/** Whose metric it is. With `spoof` the host is "ADDRESS:NAME" and not the sender. */
export type MetricId = { readonly host: string; readonly name: string; readonly spoof: boolean };

/** What is said of a metric beside its value. */
export type Metadata = {
  readonly type: MetricType;
  readonly units: string;
  readonly slope: Slope;
  /** Seconds within which a new value should come. */
  readonly tmax: number;
  /** Seconds after which a metric without new values is forgotten; 0 is never. */
  readonly dmax: number;
  readonly extra: readonly (readonly [name: string, value: string])[];
};

export type MetadataPacket = {
  readonly kind: "metadata";
  readonly id: MetricId;
  readonly metadata: Metadata;
};
export type ValuePacket = {
  readonly kind: "value";
  readonly id: MetricId;
  /** How the number is carried, of Ganglia's own wire types. */
  readonly as: ValueKind;
  /** As C's printf has it, such as "%.2f". */
  readonly format: string;
  readonly value: string | number;
};
/** Asks for the metadata of a metric. */
export type RequestPacket = { readonly kind: "request"; readonly id: MetricId };
export type Packet = MetadataPacket | ValuePacket | RequestPacket;

const METADATA = 128;
const REQUEST = 136;

const VALUES = {
  ushort: { number: 129, read: (xdr: XdrReader) => inRange(xdr.uint(), 0, 0xffff) },
  short: { number: 130, read: (xdr: XdrReader) => inRange(xdr.int(), -0x8000, 0x7fff) },
  int: { number: 131, read: (xdr: XdrReader) => xdr.int() },
  uint: { number: 132, read: (xdr: XdrReader) => xdr.uint() },
  string: { number: 133, read: (xdr: XdrReader) => xdr.text(MAX_TEXT_BYTES) },
  float: { number: 134, read: (xdr: XdrReader) => finite(xdr.float()) },
  double: { number: 135, read: (xdr: XdrReader) => finite(xdr.double()) },
} as const;
export type ValueKind = keyof typeof VALUES;
const VALUE_KINDS = Object.keys(VALUES) as readonly ValueKind[];

/** Reads one UDP packet of Ganglia's (WIRE.md §4), strictly. Throws MALFORMED or TOO_LARGE, and then keeps nothing. */
export function readPacket(bytes: Buffer): Packet {
  refuseUnless(
    bytes.length <= MAX_PACKET_BYTES,
    "TOO_LARGE",
    `the packet is longer than ${MAX_PACKET_BYTES} bytes`,
  );
  const xdr = new XdrReader(bytes);
  const number = xdr.uint();
  const packet = readBody(number, xdr);
  xdr.end();
  return packet;
}

function readBody(number: number, xdr: XdrReader): Packet {
  if (number === METADATA) return readMetadata(xdr);
  if (number === REQUEST) return { kind: "request", id: readId(xdr) };
  const as = VALUE_KINDS.find((kind) => VALUES[kind].number === number);
  if (!as) throw new Fault("MALFORMED", `packets of kind ${number} are not known`);
  return {
    kind: "value",
    id: readId(xdr),
    as,
    format: xdr.text(MAX_FORMAT_BYTES),
    value: VALUES[as].read(xdr),
  };
}

function readId(xdr: XdrReader): MetricId {
  const id = { host: xdr.text(MAX_NAME_BYTES), name: xdr.text(MAX_NAME_BYTES), spoof: xdr.boolean() };
  refuseUnless(id.host !== "" && id.name !== "", "MALFORMED", "the packet names no host or no metric");
  return id;
}

function readMetadata(xdr: XdrReader): MetadataPacket {
  const id = readId(xdr);
  const typeName = xdr.text(MAX_FORMAT_BYTES);
  const type = METRIC_TYPES.find((known) => known === typeName);
  refuseUnless(type, "MALFORMED", "the metadata has a type that is not Ganglia's");
  refuseUnless(xdr.text(MAX_NAME_BYTES) === id.name, "MALFORMED", "the metadata is of another metric");
  const units = xdr.text(MAX_NAME_BYTES);
  const slope = SLOPES[xdr.uint()];
  refuseUnless(slope, "MALFORMED", "the metadata has a slope that is not Ganglia's");
  const [tmax, dmax] = [xdr.uint(), xdr.uint()];
  return { kind: "metadata", id, metadata: { type, units, slope, tmax, dmax, extra: readExtras(xdr) } };
}

function readExtras(xdr: XdrReader): Metadata["extra"] {
  const count = xdr.uint();
  refuseUnless(count <= MAX_EXTRAS, "MALFORMED", `the metadata has more than ${MAX_EXTRAS} extra elements`);
  return Array.from({ length: count }, () => [xdr.text(MAX_NAME_BYTES), xdr.text(MAX_TEXT_BYTES)] as const);
}

function inRange(value: number, from: number, to: number): number {
  refuseUnless(from <= value && value <= to, "MALFORMED", "a number of the packet does not fit its type");
  return value;
}

function finite(value: number): number {
  refuseUnless(Number.isFinite(value), "MALFORMED", "a number of the packet is not finite");
  return value;
}

/** The bytes of a packet. Throws TOO_LARGE for one that no gmond would take. */
export function writePacket(packet: Packet): Buffer {
  const xdr = new XdrWriter();
  switch (packet.kind) {
    case "metadata":
      writeMetadata(writeId(xdr.uint(METADATA), packet.id), packet);
      break;
    case "request":
      writeId(xdr.uint(REQUEST), packet.id);
      break;
    case "value":
      writeValue(writeId(xdr.uint(VALUES[packet.as].number), packet.id).text(packet.format), packet);
      break;
    default:
      return packet satisfies never;
  }
  const bytes = xdr.bytes();
  refuseUnless(bytes.length <= MAX_PACKET_BYTES, "TOO_LARGE", "a metric is too long for one packet");
  return bytes;
}

function writeId(xdr: XdrWriter, { host, name, spoof }: MetricId): XdrWriter {
  return xdr
    .text(host)
    .text(name)
    .uint(spoof ? 1 : 0);
}

function writeMetadata(xdr: XdrWriter, { id, metadata }: MetadataPacket): void {
  const { type, units, slope, tmax, dmax, extra } = metadata;
  xdr.text(type).text(id.name).text(units).uint(SLOPES.indexOf(slope)).uint(tmax).uint(dmax);
  xdr.uint(extra.length);
  for (const [name, value] of extra) xdr.text(name).text(value);
}

function writeValue(xdr: XdrWriter, { as, value }: ValuePacket): void {
  if (as === "string") xdr.text(String(value));
  else if (as === "float") xdr.float(Number(value));
  else if (as === "double") xdr.double(Number(value));
  else if (as === "int" || as === "short") xdr.int(Number(value));
  else xdr.uint(Number(value));
}

/** The value as its format has it, as far as formats are numbers of decimals; otherwise as it is. */
export function valueText({ format, value }: Pick<ValuePacket, "format" | "value">): string {
  const decimals = /^%\.(\d)l?f$/.exec(format)?.[1];
  return typeof value === "number" && decimals ? value.toFixed(Number(decimals)) : String(value);
}
