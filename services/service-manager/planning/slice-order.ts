import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { resolve } from "node:path";
import { advertised, countedTime } from "#services/broker/acquisition/acquisition.ts";
import { Fault } from "#shared/model/errors.ts";
import type { Resources } from "#shared/model/resources.ts";
import {
  contradiction,
  type ProgramFile,
  type SliceDescription,
  type Whereabouts,
} from "#shared/model/slice-description.ts";
import type { Instant } from "#shared/model/time.ts";
import { readSliceDescription, writeSliceDescription } from "#shared/wire/slice-description.ts";
import type { SliceJournal } from "../journal/slice-journal.ts";
import type { KeptFile } from "../journal/slice-record.ts";
import type { Network } from "../network/network.ts";
import { UsageError } from "../terminal/exit-code.ts";
import { whyUnreadable } from "../terminal/named-file.ts";
import type { Wish } from "./wish.ts";

/** A wish with nothing left open: what is created, and what goes into the journal to create it again from. */
export type Order = {
  readonly description: SliceDescription;
  /** The description as it is kept. */
  readonly xml: string;
  readonly resources: Resources;
  /** SHA-256 of everything that was wished for: equal wishes have equal ones. */
  readonly intent: string;
  readonly files: readonly KeptFile[];
  /** Contents of the program's files by their SHA-256. */
  readonly contents: ReadonlyMap<string, Buffer>;
};

/** Resolves a wish: default resources from the agent, node prefixes from advertisements, the program's files read. */
export async function newOrder(wish: Wish, network: Network, now: Instant): Promise<Order> {
  const [resources, where, { files, contents }] = await Promise.all([
    resourcesOf(wish, network),
    whereaboutsOf(wish, network, now),
    readFiles(wish),
  ]);
  const description = { ...wish.description, resources, where };
  const wrong = contradiction(description);
  if (wrong) throw new UsageError(wrong.sentence);
  return {
    description,
    xml: writeSliceDescription(description),
    resources,
    intent: intentOf(wish, files),
    files,
    contents,
  };
}

/** As `keptOrder`. Throws SLICE_EXISTS when the wish is for something else. */
export async function storedOrder(journal: SliceJournal, wish: Wish): Promise<Order> {
  const { record } = journal;
  if (!wish.bare && intentOf(wish, (await readFiles(wish)).files) !== record.intent) {
    throw new Fault(
      "SLICE_EXISTS",
      `slice ${record.name} already exists with another description; delete it first, or choose another name`,
    );
  }
  return await keptOrder(journal);
}

/** The order an existing slice was begun with. */
export async function keptOrder(journal: SliceJournal): Promise<Order> {
  const { record } = journal;
  const xml = await journal.description();
  const description = readSliceDescription(xml);
  if (!description.resources)
    throw new Fault("MALFORMED", `the description kept of ${record.name} lacks its resources`);
  const { intent, files } = record;
  return { description, xml, resources: description.resources, intent, files, contents: new Map() };
}

function intentOf(wish: Wish, files: readonly KeptFile[]): string {
  const { description, resources, selectors } = wish;
  // Absent where there are none: so slices made before there were any keep their intent.
  const include = wish.include.length > 0 ? wish.include : undefined;
  const avoid = wish.avoid.length > 0 ? wish.avoid : undefined;
  const wished = { xml: writeSliceDescription(description), resources, selectors, files, include, avoid };
  return createHash("sha256").update(JSON.stringify(wished)).digest("hex");
}

async function resourcesOf({ description, resources }: Wish, network: Network): Promise<Resources> {
  const base = description.resources ?? (await network.agents[0]!.facts()).defaultResources;
  return { ...base, ...resources };
}

/** Where the nodes are to be, the beginnings of identities completed by what is advertised. */
async function whereaboutsOf(wish: Wish, network: Network, now: Instant): Promise<Whereabouts> {
  const { selectors, include, avoid, description } = wish;
  const { where } = description;
  const known = await completing([...selectors, ...include, ...avoid], network, description, now);
  const complete = (some: readonly string[]) =>
    some.map((selector) => (isWhole(selector) ? selector : onlyMatch(selector, known)));
  return {
    ...where,
    nodes: selectors.length > 0 ? complete(selectors) : where.nodes,
    include: [...new Set([...where.include, ...complete(include)])],
    avoid: [...new Set([...where.avoid, ...complete(avoid)])],
  };
}

/** The nodes that are advertised, where any selector is the beginning of an identity. */
async function completing(
  selectors: readonly string[],
  network: Network,
  { leaseSeconds }: SliceDescription,
  now: Instant,
): Promise<string[]> {
  if (selectors.every(isWhole)) return [];
  const { ads } = await advertised(network.agents, countedTime(leaseSeconds, now));
  return [...new Set(ads.map(({ node }) => node))];
}

/** Whether a selector is an address or a whole identity. */
function isWhole(selector: string): boolean {
  return isIP(selector) !== 0 || selector.length === 64;
}

function onlyMatch(prefix: string, known: readonly string[]): string {
  const matches = known.filter((node) => node.startsWith(prefix));
  if (matches.length === 1) return matches[0]!;
  const problem =
    matches.length === 0 ? "no node that is advertised begins so" : `${matches.length} nodes begin so`;
  throw new UsageError(`${prefix}: ${problem}; slice node list shows them`);
}

async function readFiles({ description, directory }: Wish) {
  const contents = new Map<string, Buffer>();
  const files: KeptFile[] = [];
  for (const file of description.program?.files ?? []) {
    const bytes = await readSource(file, directory);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    contents.set(sha256, bytes);
    files.push({ path: file.path, mode: file.mode, sha256 });
  }
  return { files, contents };
}

async function readSource({ source }: ProgramFile, directory: string): Promise<Buffer> {
  try {
    return await readFile(resolve(directory, source));
  } catch (cause) {
    throw new UsageError(
      `the program's file ${source} cannot be read (${whyUnreadable(cause)}); it is looked for beside the description`,
      { cause },
    );
  }
}
