import type { Capability } from "./capability.ts";
import type { AnyPorts, PortRange } from "./ports.ts";
import type { Ceilings, Resources } from "./resources.ts";
import type { EngineName } from "./ticket.ts";

/**
 * What a service needs, as its owner says it (WIRE.md §1, "Slice description"): everything a broker must know to find
 * nodes, and a service manager to run the program there. What is absent is left to the agent's defaults.
 */
export type SliceDescription = {
  readonly name: string;
  readonly nodes: NodeCount;
  /** Length of the first lease and of every renewal. */
  readonly leaseSeconds: number;
  /** What each sliver gets; absent: the agent's default. */
  readonly resources?: Resources;
  readonly ceilings?: Ceilings;
  readonly engine?: EngineName;
  readonly image?: string;
  readonly ports: readonly PortRange[];
  /** Besides, so many that the agent chooses on each node; absent: none. */
  readonly anyPorts?: AnyPorts;
  readonly where: Whereabouts;
  /** Present: an administrative slice with these capabilities, at least one. */
  readonly administrative?: readonly Capability[];
  readonly program?: Program;
};

/** How many nodes: `count` are wanted, fewer than `atleast` are a failure, `standby` more are kept in reserve. */
export type NodeCount = { readonly count: number; readonly atleast: number; readonly standby: number };

/** What nodes can be spread over: places that fail together, from small to large. */
export const SPREADS = ["site", "country", "region"] as const;
export type Spread = (typeof SPREADS)[number];

/** Which nodes will do. Every constraint holds at once; none means any node. */
export type Whereabouts = {
  /** No two nodes at one site. */
  readonly distinctSites: boolean;
  /** Only nodes at these sites; none listed means any. */
  readonly sites: readonly string[];
  /** What the nodes are to be spread over as evenly as possible; absent: sites. */
  readonly spread?: Spread;
  /** The highest one-minute load of a node that will do; absent: any. */
  readonly maxLoad?: number;
  /** Each must be among what the node's advertisement says, e.g. region = eu. */
  readonly tags: readonly Tag[];
  /** Only these, by identity (64 hex digits) or IP address; none listed means any. */
  readonly nodes: readonly string[];
  /** Each of these must be among the nodes of the slice, by identity or IP address. */
  readonly include: readonly string[];
  /** None of these, by identity or IP address. */
  readonly avoid: readonly string[];
  /** No node at these sites. */
  readonly avoidSites: readonly string[];
};

export type Tag = { readonly name: string; readonly value: string };

/** What to do when the program ends: start it again always, only when it failed (exit code or signal), or never. */
export const RESTARTS = ["always", "on-failure", "never"] as const;
export type Restart = (typeof RESTARTS)[number];

/** What runs in every sliver. No shell stands between: `command` is executed with `args` as they are. */
export type Program = {
  readonly files: readonly ProgramFile[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
  /** A program of the image, or a path relative to the sliver's home. */
  readonly command: string;
  readonly args: readonly string[];
  readonly restart: Restart;
};

/** A file put into every sliver before the program starts. */
export type ProgramFile = {
  /** Where it goes, relative to the sliver's home directory and always inside it. */
  readonly path: string;
  /** Permission bits, 0 to 0o777. */
  readonly mode: number;
  /** Where it comes from, relative to the description's own file. Only the service manager reads it. */
  readonly source: string;
};

/** The most nodes one description may ask for, standbys included. */
export const MAX_NODES = 10_000;
/** 400 days in seconds: the term of a node's root ticket, which no lease under it can outlast. */
export const MAX_LEASE_SECONDS = 400 * 86_400;
/** The lease of a description nobody wrote: one day. */
export const DEFAULT_LEASE_SECONDS = 86_400;

export const ANYWHERE: Whereabouts = {
  distinctSites: false,
  sites: [],
  tags: [],
  nodes: [],
  include: [],
  avoid: [],
  avoidSites: [],
};

/** The description of a slice for which only a name and a number of nodes were said. */
export function plainDescription(name: string, count: number): SliceDescription {
  return {
    name,
    nodes: { count, atleast: count, standby: 0 },
    leaseSeconds: DEFAULT_LEASE_SECONDS,
    ports: [],
    where: ANYWHERE,
  };
}

/** Whether the numbers of nodes make sense together: 1 ≤ atleast ≤ count, and no more than MAX_NODES in all. */
export function isNodeCount({ count, atleast, standby }: NodeCount): boolean {
  return atleast >= 1 && atleast <= count && standby >= 0 && count + standby <= MAX_NODES;
}

/** What no nodes at all could fulfil: in which list of the whereabouts, which of its entries, and why. */
export type Contradiction = {
  readonly list: "include" | "sites";
  readonly at: number;
  readonly sentence: string;
};

/** The first thing a description asks for and rules out at once, whatever nodes there are. */
export function contradiction({
  nodes,
  where,
}: Pick<SliceDescription, "nodes" | "where">): Contradiction | undefined {
  const { include, avoid, sites, avoidSites } = where;
  const node = include.findIndex((name) => avoid.includes(name));
  if (node >= 0) return { list: "include", at: node, sentence: `${include[node]} is to be avoided, too` };
  const site = sites.findIndex((name) => avoidSites.includes(name));
  if (site >= 0)
    return { list: "sites", at: site, sentence: `the site ${sites[site]} is to be avoided, too` };
  const fewest = Math.max(...[/^[0-9a-f]{64}$/, /[.:]/].map((form) => distinct(include, form)));
  if (fewest <= nodes.count) return undefined;
  const sentence = `${fewest} nodes are to be included, and only ${nodes.count} asked for`;
  return { list: "include", at: include.length - 1, sentence };
}

/** How many names of a form there are: an identity and an address may be two names of one node. */
function distinct(names: readonly string[], form: RegExp): number {
  return new Set(names.filter((name) => form.test(name))).size;
}

/** Whether a path stays inside the directory it is relative to: no leading /, no `..`, `.` or empty step, no NUL. */
export function isInnerPath(path: string): boolean {
  const steps = path.split("/");
  return path.length <= 1024 && !/[\0-\x1f\x7f]/.test(path) && steps.every(isStep);
}

/** The first path that is there twice, or that another path needs as a directory. */
export function clashingPath(paths: readonly string[]): string | undefined {
  return paths.find((path, index) =>
    paths.some((other, at) => at !== index && (other === path || other.startsWith(`${path}/`))),
  );
}

function isStep(step: string): boolean {
  return step !== "" && step !== "." && step !== ".." && Buffer.byteLength(step) <= 255;
}
