import { dirname } from "node:path";
import { CAPABILITIES, type Capability, isCapability } from "#shared/model/capability.ts";
import type { Resources } from "#shared/model/resources.ts";
import {
  MAX_LEASE_SECONDS,
  MAX_NODES,
  plainDescription,
  type SliceDescription,
} from "#shared/model/slice-description.ts";
import { checkSliceName } from "#shared/model/slice-name.ts";
import { ENGINES } from "#shared/model/ticket.ts";
import { readImage } from "#shared/wire/fields.ts";
import { readSliceDescription } from "#shared/wire/slice-description.ts";
import { UsageError } from "../terminal/exit-code.ts";
import { readNamedFile } from "../terminal/named-file.ts";
import { readCores, readDuration, readKilobits, readMebibytes } from "../terminal/quantity.ts";
import { type PlaceOptions, readSelectors, readWishedPlaces, type Selectors } from "./wished-places.ts";
import { readWishedPorts } from "./wished-ports.ts";

/** What `slice create` and `slice plan` may be told beside a description. */
export type WishOptions = PlaceOptions & {
  readonly nodes?: string;
  readonly lease?: string;
  readonly cpu?: string;
  readonly memory?: string;
  readonly disk?: string;
  readonly egress?: string;
  readonly engine?: string;
  readonly image?: string;
  readonly port?: readonly string[];
  readonly capability?: readonly string[];
};

/** What somebody wants, before anything was asked of anybody. */
export type Wish = {
  /** Without the resources and nodes below. */
  readonly description: SliceDescription;
  /** Those that were said on the command line; others are the description's, or the agent's default. */
  readonly resources: Partial<Resources>;
  /** Nodes that alone will do; none: any. */
  readonly selectors: Selectors;
  /** Nodes that must be among them, and nodes that may not, beside the description's. */
  readonly include: Selectors;
  readonly avoid: Selectors;
  /** Where the sources of the program's files are relative to. */
  readonly directory: string;
  /** Whether nothing but a name was said: then an existing slice goes on as it is. */
  readonly bare: boolean;
};

/** Reads what was asked for: a description's file (or - for standard input), or a name and options. */
export async function readWish(target: string, options: WishOptions): Promise<Wish> {
  const file = isFile(target) ? await readDescriptionFile(target) : undefined;
  const base = file ?? plainDescription(checkSliceName(target), 1);
  const { count, selectors } = readNodes(options.nodes);
  const { where, include, avoid } = readWishedPlaces(options, base.where);
  const description: SliceDescription = {
    ...base,
    ...(count !== undefined && { nodes: { count, atleast: count, standby: 0 } }),
    ...(options.lease !== undefined && { leaseSeconds: readLease(options.lease) }),
    ...(options.engine !== undefined && { engine: readEngineName(options.engine) }),
    ...(options.image !== undefined && { image: readImage(options.image) }),
    ...(options.port !== undefined && readWishedPorts(options.port)),
    ...(options.capability !== undefined && { administrative: readCapabilities(options.capability) }),
    where,
  };
  return {
    description,
    resources: readResources(options),
    selectors,
    include,
    avoid,
    directory: isFile(target) && target !== "-" ? dirname(target) : ".",
    bare: file === undefined && Object.values(options).every((value) => value === undefined),
  };
}

/** A name has neither a slash nor a dot in it, and so is never taken for a file, whatever lies in the directory. */
function isFile(target: string): boolean {
  return target === "-" || target.includes("/") || target.includes(".");
}

async function readDescriptionFile(path: string): Promise<SliceDescription> {
  return readSliceDescription(await readNamedFile(path));
}

function readLease(text: string): number {
  const seconds = readDuration(text);
  if (seconds <= MAX_LEASE_SECONDS) return seconds;
  throw new UsageError(
    `"${text}": a lease lasts ${MAX_LEASE_SECONDS / 86_400} days at most; renewing makes it longer`,
  );
}

/** `3`, or a list of addresses and (beginnings of) identities. */
function readNodes(text: string | undefined): { count?: number; selectors: Selectors } {
  if (text === undefined) return { selectors: [] };
  if (/^\d{1,5}$/.test(text)) {
    if (Number(text) < 1) throw new UsageError("a slice has at least one node");
    if (Number(text) > MAX_NODES) throw new UsageError(`a slice has ${MAX_NODES} nodes at most`);
    return { count: Number(text), selectors: [] };
  }
  const selectors = readSelectors(text);
  return { count: selectors.length, selectors };
}

function readResources({ cpu, memory, disk, egress }: WishOptions): Partial<Resources> {
  return {
    ...(cpu !== undefined && { cpuMillis: readCores(cpu) }),
    ...(memory !== undefined && { memoryMib: readMebibytes(memory) }),
    ...(disk !== undefined && { diskMib: readMebibytes(disk) }),
    ...(egress !== undefined && { egressKbps: readKilobits(egress) }),
  };
}

function readEngineName(text: string) {
  const engine = ENGINES.find((name) => name === text);
  if (!engine) throw new UsageError(`"${text}" is no engine; use one of ${ENGINES.join(", ")}`);
  return engine;
}

function readCapabilities(names: readonly string[]): Capability[] {
  return [...new Set(names)].map((name) => {
    if (isCapability(name)) return name;
    throw new UsageError(
      `"${name}" is no capability that may be granted; use one of ${CAPABILITIES.join(", ")}`,
    );
  });
}
