import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { resolve } from "node:path";
import { advertised, countedTime } from "#services/broker/acquisition.ts";
import { Fault } from "#shared/model/errors.ts";
import type { Resources } from "#shared/model/resources.ts";
import type { ProgramFile, SliceDescription } from "#shared/model/slice-description.ts";
import type { Instant } from "#shared/model/time.ts";
import { readSliceDescription, writeSliceDescription } from "#shared/wire/slice-description.ts";
import { UsageError } from "./exit-code.ts";
import type { Network } from "./network.ts";
import type { SliceJournal } from "./slice-journal.ts";
import type { KeptFile } from "./slice-record.ts";
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
  const [resources, nodes, { files, contents }] = await Promise.all([
    resourcesOf(wish, network),
    nodesOf(wish, network, now),
    readFiles(wish),
  ]);
  const { where } = wish.description;
  const description = { ...wish.description, resources, where: { ...where, nodes: nodes ?? where.nodes } };
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

function intentOf({ description, resources, selectors }: Wish, files: readonly KeptFile[]): string {
  const wished = { xml: writeSliceDescription(description), resources, selectors, files };
  return createHash("sha256").update(JSON.stringify(wished)).digest("hex");
}

async function resourcesOf({ description, resources }: Wish, network: Network): Promise<Resources> {
  const base = description.resources ?? (await network.agents[0]!.facts()).defaultResources;
  return { ...base, ...resources };
}

/** The identities and addresses of the nodes asked for; undefined when the choice is left to the broker. */
async function nodesOf(
  { selectors, description }: Wish,
  network: Network,
  now: Instant,
): Promise<string[] | undefined> {
  if (selectors.length === 0) return undefined;
  const exact = (selector: string) => isIP(selector) !== 0 || selector.length === 64;
  if (selectors.every(exact)) return [...selectors];
  const { ads } = await advertised(network.agents, countedTime(description.leaseSeconds, now));
  const known = [...new Set(ads.map(({ node }) => node))];
  return selectors.map((selector) => (exact(selector) ? selector : onlyMatch(selector, known)));
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
    const code = (cause as NodeJS.ErrnoException).code;
    throw new UsageError(
      `the program's file ${source} cannot be read (${code}); it is looked for beside the description`,
      {
        cause,
      },
    );
  }
}
