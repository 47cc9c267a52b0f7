import { z } from "zod";
import { Fault, refuseUnless } from "../model/errors.ts";
import {
  ANYWHERE,
  clashingPath,
  isInnerPath,
  isNodeCount,
  MAX_LEASE_SECONDS,
  MAX_NODES,
  RESTARTS,
  type SliceDescription,
} from "../model/slice-description.ts";
import {
  readCapability,
  readEngine,
  readImage,
  readIp,
  readNumber,
  readPortRange,
  readSlice,
} from "./fields.ts";

/**
 * What a slice description may hold, over the tree that description-xml.ts makes of it. Single values are read as in
 * signed documents, so that both take the same ones.
 */

const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
const TAG_NAME = /^[a-z][a-z0-9_-]{0,31}$/;
const MODE = /^0?[0-7]{3}$/;
const IDENTITY = /^[0-9a-f]{64}$/;

type Context<T> = z.core.$RefinementCtx<T>;

/** A reader as zod takes it: the fault it throws becomes an issue that keeps its name. */
function reading<I, O>(reader: (input: I) => O) {
  return (input: I, context: Context<I>): O => {
    try {
      return reader(input);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      context.addIssue({ code: "custom", message: error.sentence, params: { fault: error.name } });
      return z.NEVER;
    }
  };
}

function value<T>(reader: (text: string) => T) {
  return z.string().transform(reading(reader));
}

/** A reader that takes a text as it is, unless a rule refuses it. */
function matching(rule: (text: string) => boolean, sentence: string) {
  return (text: string): string => {
    refuseUnless(rule(text), "MALFORMED", sentence);
    return text;
  };
}

function oneOf<T extends string>(choices: readonly T[]) {
  return (text: string): T => {
    const choice = choices.find((choice) => choice === text);
    refuseUnless(choice, "MALFORMED", `it is one of ${choices.join(", ")}`);
    return choice;
  };
}

/** A rule over all of what was read. */
function rule<T>(holds: (value: T) => boolean, sentence: string) {
  return (value: T, context: Context<T>) => {
    if (!holds(value)) context.addIssue({ code: "custom", message: sentence });
  };
}

/** Children by name, and no others: the message about another lists these. */
function children<S extends z.core.$ZodLooseShape>(shape: S) {
  const known = Object.keys(shape).map((name) => `<${name}>`);
  return z.strictObject(shape, {
    error: (issue) => (issue.code === "unrecognized_keys" ? known.join(", ") : undefined),
  });
}

/** An element that holds text alone. */
function textOf<T>(reader: (text: string) => T) {
  return z.strictObject({ "#text": value(reader) }).transform((element) => element["#text"]);
}

/** Exactly one such element; `.optional()` makes it at most one. */
function one<S extends z.ZodType>(element: S) {
  return z.tuple([element]).transform(([only]) => only);
}

/** Any number of such elements, none too. */
function many<S extends z.ZodType>(element: S) {
  return z.array(element).optional();
}

/** Without members that are absent, so that what is read equals what was written. */
function present<T extends object>(members: T): T {
  return Object.fromEntries(Object.entries(members).filter(([, member]) => member !== undefined)) as T;
}

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

const port = z
  .strictObject({ "@": z.strictObject({ protocol: z.string(), from: z.string(), to: z.string() }) })
  .transform(reading(({ "@": range }) => readPortRange(range.protocol, range.from, range.to)));

const site = z
  .strictObject({ "@": z.strictObject({ distinct: value(oneOf(["true", "false"])) }) })
  .transform((element) => element["@"].distinct === "true");

const readTagName = matching((text) => TAG_NAME.test(text), "a tag's name is up to 32 of a-z, 0-9, _ and -");
const readTagValue = matching((text) => text.length <= 64, "a tag's value has up to 64 characters");

const tag = z
  .strictObject({ "@": z.strictObject({ name: value(readTagName) }), "#text": value(readTagValue) })
  .transform((element) => ({ name: element["@"].name, value: element["#text"] }));

const nodeReference = textOf((text) => (IDENTITY.test(text) ? text : readIp(text)));

const where = children({
  site: one(site).optional(),
  tag: many(tag),
  node: many(nodeReference),
  avoid: many(nodeReference),
}).transform((element) => ({
  distinctSites: element.site ?? false,
  tags: element.tag ?? [],
  nodes: element.node ?? [],
  avoid: element.avoid ?? [],
}));

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
  ports: one(children({ port: many(port) })).optional(),
  where: one(where).optional(),
  administrative: one(administrative).optional(),
  program: one(program).optional(),
}).transform(
  (slice): SliceDescription =>
    present({
      name: slice.name,
      nodes: slice.nodes,
      leaseSeconds: slice.lease_seconds,
      resources: slice.resources,
      ceilings: slice.ceilings,
      engine: slice.engine,
      image: slice.image,
      ports: slice.ports?.port ?? [],
      where: slice.where ?? ANYWHERE,
      administrative: slice.administrative,
      program: slice.program,
    }),
);
