import { z } from "zod";
import { refuseUnless } from "../model/errors.ts";
import { isNothing, MAX_ANY_PORTS, type PortRange } from "../model/ports.ts";
import {
  ANYWHERE,
  clashingPath,
  contradiction,
  isInnerPath,
  isNodeCount,
  MAX_LEASE_SECONDS,
  MAX_NODES,
  RESTARTS,
  type SliceDescription,
} from "../model/slice-description.ts";
import {
  children,
  faultless,
  many,
  matching,
  one,
  oneOf,
  present,
  reading,
  rule,
  textOf,
  value,
} from "./description-element.ts";
import { readCapability, readEngine, readImage, readNumber, readPortRange, readSlice } from "./fields.ts";
import { WHERE } from "./whereabouts-schema.ts";

/**
 * What a slice description may hold, over the tree that description-xml.ts makes of it. Single values are read as in
 * signed documents, so that both take the same ones.
 */

const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
const MODE = /^0?[0-7]{3}$/;

const nodes = z
  .strictObject({
    "#text": value(readNumber),
    "@": z
      .strictObject({ atleast: value(readNumber).optional(), standby: value(readNumber).optional() })
      .optional(),
  })
  .transform(({ "#text": count, "@": also }) => {
    return { count, atleast: also?.atleast ?? count, standby: also?.standby ?? 0 };
  })
  .superRefine(
    rule(
      isNodeCount,
      `1 node or more, atleast no more than these, standbys included no more than ${MAX_NODES}`,
    ),
  );

const resources = children({
  cpu_millis: one(textOf(readNumber)),
  memory_mib: one(textOf(readNumber)),
  disk_mib: one(textOf(readNumber)),
  egress_kbps: one(textOf(readNumber)),
}).transform((element) => ({
  cpuMillis: element.cpu_millis,
  memoryMib: element.memory_mib,
  diskMib: element.disk_mib,
  egressKbps: element.egress_kbps,
}));

const ceilings = children({
  cpu_millis: one(textOf(readNumber)).optional(),
  egress_kbps: one(textOf(readNumber)).optional(),
}).transform((element) => present({ cpuMillis: element.cpu_millis, egressKbps: element.egress_kbps }));

const readAnyCount = (text: string): number => {
  const count = readNumber(text);
  refuseUnless(count >= 1 && count <= MAX_ANY_PORTS, "MALFORMED", `any is 1 to ${MAX_ANY_PORTS} ports`);
  return count;
};

/** What one `<port>` asks for: those it names, or so many of a protocol. */
type AskedPorts = PortRange | { readonly protocol: PortRange["protocol"]; readonly any: number };

const port = z
  .strictObject({
    "@": z.strictObject({
      protocol: z.string(),
      from: z.string().optional(),
      to: z.string().optional(),
      any: z.string().optional(),
    }),
  })
  .transform(
    reading(({ "@": { protocol, from, to, any } }): AskedPorts => {
      if (any !== undefined && from === undefined && to === undefined) {
        return { protocol: readPortRange(protocol, "1", "1").protocol, any: readAnyCount(any) };
      }
      const named = from !== undefined && to !== undefined && any === undefined;
      refuseUnless(named, "MALFORMED", 'it has from="…" and to="…", or any="…" alone');
      return readPortRange(protocol, from, to);
    }),
  );

const ports = children({ port: many(port) })
  .transform(({ port: asked = [] }) => {
    const any = (protocol: PortRange["protocol"]) =>
      asked.reduce((sum, one) => sum + ("any" in one && one.protocol === protocol ? one.any : 0), 0);
    return {
      ports: asked.filter((one): one is PortRange => "from" in one),
      anyPorts: { tcp: any("tcp"), udp: any("udp") },
    };
  })
  .superRefine(
    rule(
      ({ anyPorts: { tcp, udp } }) => Math.max(tcp, udp) <= MAX_ANY_PORTS,
      `at most ${MAX_ANY_PORTS} ports of a protocol are chosen for you`,
    ),
  );

const administrative = children({ capability: many(textOf(readCapability)) })
  .transform((element) => element.capability ?? [])
  .superRefine(rule((list) => list.length > 0, "list at least one <capability>"))
  .superRefine(rule((list) => new Set(list).size === list.length, "a capability is listed twice"));

const readInnerPath = matching(
  isInnerPath,
  "a path stays inside the sliver's home: no / at its start, no .. or . step, no control character",
);

const file = z
  .strictObject({
    "@": z.strictObject({
      path: value(readInnerPath),
      mode: value(
        matching((text) => MODE.test(text), "a mode is three octal digits, such as 755"),
      ).optional(),
      source: value(matching((text) => text !== "" && text.length <= 1024, "a source is a file's path")),
    }),
  })
  .transform(({ "@": { path, mode, source } }) => ({
    path,
    mode: Number.parseInt(mode ?? "644", 8),
    source,
  }));

const readEnvName = matching((text) => ENV_NAME.test(text), "a variable's name is letters, digits and _");

/** Alone among values, arguments and variables may be empty. */
const argument = z
  .strictObject({ "#text": z.string().optional() })
  .transform((element) => element["#text"] ?? "");

const env = z
  .strictObject({ "@": z.strictObject({ name: value(readEnvName) }), "#text": z.string().optional() })
  .transform((element) => ({ name: element["@"].name, value: element["#text"] ?? "" }));

const program = children({
  file: many(file),
  env: many(env),
  command: one(textOf(String)),
  arg: many(argument),
  restart: one(textOf(oneOf(RESTARTS))).optional(),
})
  .transform((element) => ({
    files: element.file ?? [],
    env: element.env ?? [],
    command: element.command,
    args: element.arg ?? [],
    restart: element.restart ?? ("on-failure" as const),
  }))
  .superRefine(
    rule(({ files }) => clashingPath(files.map((f) => f.path)) === undefined, "two files take the same path"),
  )
  .superRefine(
    rule(({ env }) => new Set(env.map((e) => e.name)).size === env.length, "a variable is set twice"),
  );

const readLeaseSeconds = (text: string): number => {
  const seconds = readNumber(text);
  refuseUnless(
    seconds >= 1 && seconds <= MAX_LEASE_SECONDS,
    "MALFORMED",
    `a lease lasts 1 to ${MAX_LEASE_SECONDS} seconds`,
  );
  return seconds;
};

/** A whole description, over the children of `<slice>`. */
export const SLICE = children({
  name: one(textOf(readSlice)),
  nodes: one(nodes),
  lease_seconds: one(textOf(readLeaseSeconds)),
  resources: one(resources).optional(),
  ceilings: one(ceilings).optional(),
  engine: one(textOf(readEngine)).optional(),
  image: one(textOf(readImage)).optional(),
  ports: one(ports).optional(),
  where: one(WHERE).optional(),
  administrative: one(administrative).optional(),
  program: one(program).optional(),
})
  .transform(
    (slice): SliceDescription =>
      present({
        name: slice.name,
        nodes: slice.nodes,
        leaseSeconds: slice.lease_seconds,
        resources: slice.resources,
        ceilings: slice.ceilings,
        engine: slice.engine,
        image: slice.image,
        ports: slice.ports?.ports ?? [],
        anyPorts: isNothing(slice.ports?.anyPorts) ? undefined : slice.ports?.anyPorts,
        where: slice.where ?? ANYWHERE,
        administrative: slice.administrative,
        program: slice.program,
      }),
  )
  .superRefine(
    faultless((slice) => {
      const found = contradiction(slice);
      if (!found) return undefined;
      const element = found.list === "sites" ? "site" : found.list;
      return { path: ["where", 0, element, found.at], sentence: found.sentence };
    }),
  );
