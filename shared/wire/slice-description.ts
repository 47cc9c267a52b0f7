import { Builder } from "xml2js";
import { refuseUnless } from "../model/errors.ts";
import type { PortRange } from "../model/ports.ts";
import type { Ceilings, Resources } from "../model/resources.ts";
import type { Program, SliceDescription, Whereabouts } from "../model/slice-description.ts";
import { isXmlText, readDescriptionXml } from "./description-xml.ts";
import { refusalOf } from "./slice-description-refusal.ts";
import { SLICE } from "./slice-description-schema.ts";

/**
 * Reads a slice description as people write it (WIRE.md §1): white space and order are free, names are not. Throws
 * MALFORMED, or BAD_NAME for the slice's name, saying line, column and what to write instead; TOO_LARGE above 64 KiB.
 * Where a program's files come from (`source`) is kept as it is written: only the service manager opens it.
 */
export function readSliceDescription(source: string | Buffer): SliceDescription {
  const xml = readDescriptionXml(source, "slice");
  const read = SLICE.safeParse(xml.tree);
  if (!read.success) throw refusalOf(read.error.issues, xml);
  return read.data;
}

/**
 * Writes a description so that `readSliceDescription` reads the same one. Throws MALFORMED for a text that XML cannot
 * carry, or that reading would trim.
 */
export function writeSliceDescription(description: SliceDescription): string {
  const { nodes, where, program, administrative } = description;
  const builder = new Builder({
    rootName: "slice",
    charkey: "#text",
    attrkey: "@",
    xmldec: { version: "1.0", encoding: "UTF-8" },
  });
  const slice: Parts = {
    name: text(description.name),
    nodes: text(nodes.count, {
      ...(nodes.atleast !== nodes.count && { atleast: nodes.atleast }),
      ...(nodes.standby !== 0 && { standby: nodes.standby }),
    }),
    lease_seconds: text(description.leaseSeconds),
    ...(description.resources && { resources: resourceParts(description.resources) }),
    ...(description.ceilings && { ceilings: ceilingParts(description.ceilings) }),
    ...(description.engine && { engine: text(description.engine) }),
    ...(description.image && { image: text(description.image) }),
    ...portsPart(description),
    ...whereParts(where),
    ...(administrative && { administrative: { capability: administrative.map((name) => text(name)) } }),
    ...(program && { program: programParts(program) }),
  };
  return `${builder.buildObject(slice)}\n`;
}

/** What the builder takes: children by name, lists where there are several. */
type Parts = { readonly [name: string]: Parts | readonly Parts[] | string };

function text(value: string | number, attributes?: Record<string, string | number>): Parts {
  const present = attributes && Object.keys(attributes).length > 0;
  return { ...(present && { "@": texts(attributes) }), "#text": written(value) };
}

function texts(values: Record<string, string | number>): Parts {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, written(value)]));
}

function written(value: string | number): string {
  const text = String(value);
  refuseUnless(
    isXmlText(text) && text === text.trim(),
    "MALFORMED",
    "a description cannot hold control characters, or white space around a value",
  );
  return text;
}

function resourceParts(resources: Resources): Parts {
  return {
    cpu_millis: text(resources.cpuMillis),
    memory_mib: text(resources.memoryMib),
    disk_mib: text(resources.diskMib),
    egress_kbps: text(resources.egressKbps),
  };
}

function ceilingParts({ cpuMillis, egressKbps }: Ceilings): Parts {
  return {
    ...(cpuMillis !== undefined && { cpu_millis: text(cpuMillis) }),
    ...(egressKbps !== undefined && { egress_kbps: text(egressKbps) }),
  };
}

function portsPart({ ports, anyPorts }: SliceDescription): Parts {
  const any = PROTOCOLS.filter((protocol) => anyPorts?.[protocol]).map((protocol) => {
    return { "@": texts({ protocol, any: anyPorts![protocol] }) };
  });
  const port = [...ports.map(portPart), ...any];
  return port.length > 0 ? { ports: { port } } : {};
}

const PROTOCOLS = ["tcp", "udp"] as const;

function portPart({ protocol, from, to }: PortRange): Parts {
  return { "@": texts({ protocol, from, to }) };
}

function whereParts(where: Whereabouts): Parts {
  const { distinctSites, spread, maxLoad } = where;
  const site = [...(distinctSites ? [{ "@": { distinct: "true" } }] : []), ...where.sites.map(named)];
  const avoid = [
    ...where.avoid.map(named),
    ...where.avoidSites.map((name) => ({ "@": texts({ site: name }) })),
  ];
  const parts: Parts = {
    ...(site.length > 0 && { site }),
    ...(where.tags.length > 0 && { tag: where.tags.map(({ name, value }) => text(value, { name })) }),
    ...(spread && { spread: { "@": { over: spread } } }),
    ...(maxLoad !== undefined && { load: { "@": texts({ atmost: maxLoad }) } }),
    ...(where.nodes.length > 0 && { node: where.nodes.map(named) }),
    ...(where.include.length > 0 && { include: where.include.map(named) }),
    ...(avoid.length > 0 && { avoid }),
  };
  return Object.keys(parts).length > 0 ? { where: parts } : {};
}

function named(name: string): Parts {
  return text(name);
}

function programParts({ files, env, command, args, restart }: Program): Parts {
  return {
    file: files.map(({ path, mode, source }) => {
      return { "@": texts({ path, mode: mode.toString(8).padStart(3, "0"), source }) };
    }),
    env: env.map(({ name, value }) => text(value, { name })),
    command: text(command),
    arg: args.map((arg) => text(arg)),
    restart: text(restart),
  };
}
