import type { ShareDimension } from "./resources.ts";
import { formatLength } from "./time.ts";

/** What could be asked for otherwise so that a node that does not fit would. */
export type Remedy =
  | "less"
  | "a shorter lease"
  | "another engine"
  | "another image"
  | "other ports"
  | "fewer ports"
  | "lower ceilings"
  | "fewer capabilities"
  | "other nodes"
  | "other sites"
  | "a higher load"
  | "any load"
  /** Nothing: it may pass by itself. */
  | "later";

/** Why a node does not fit. */
export type Reason = {
  /** A clause that follows the node's name, e.g. "has 64 of 128 MiB of memory free". */
  readonly reason: string;
  /** The same without what differs from node to node, e.g. "has less than 128 MiB of memory free"; absent: the same. */
  readonly kind?: string;
  /** Absent: nothing that could be asked for otherwise would help. */
  readonly remedy?: Remedy;
  /** The longest lease it could have, in seconds, where that is what is wrong. */
  readonly longest?: number;
};

/** What helps where this much is left of a dimension: less, unless every sliver needs some and there is none. */
export function remedyOfShortage(short: ShareDimension, left: number): Remedy {
  const optional = short === "cpuMillis" || short === "egressKbps";
  return short !== "slivers" && (optional || left > 0) ? "less" : "later";
}

/** A node that does not fit, as people name it. */
export type Misfit = Reason & { readonly name: string };

/** As many nodes as are told of one by one; more are told of by what keeps them from fitting. */
const ONE_BY_ONE = 3;

/** As many kinds of reason as are told. */
const KINDS = 5;

/** Why nodes do not fit, in one clause: each by name where they are few, else how many for what reason, most first. */
export function explanation(misfits: readonly Misfit[]): string {
  if (misfits.length <= ONE_BY_ONE) return misfits.map(sentence).join("; ");
  const [only, ...others] = kindsOf(misfits);
  if (only && others.length === 0) return `${misfits.length} nodes ${plural(only.kind)}`;
  return `of ${misfits.length} nodes that do not, ${reasonsOf(misfits)}`;
}

/** For what reasons how many nodes do not fit, most first; each by name where they are few. */
export function reasonsOf(misfits: readonly Misfit[]): string {
  if (misfits.length <= ONE_BY_ONE) return misfits.map(sentence).join(", ");
  const kinds = kindsOf(misfits);
  const told = kinds.slice(0, KINDS).map(({ kind, alike }) => {
    const [only] = alike;
    return alike.length === 1 && only ? sentence(only) : `${alike.length} ${plural(kind)}`;
  });
  const rest = kinds.slice(KINDS).reduce((sum, { alike }) => sum + alike.length, 0);
  if (rest > 0) told.push(`${rest} for other reasons`);
  return told.join(", ");
}

/** Nodes that do not fit, by what keeps them from fitting, most first. */
export function kindsOf<M extends Reason>(misfits: readonly M[]): { kind: string; alike: readonly M[] }[] {
  return [...Map.groupBy(misfits, ({ reason, kind }) => kind ?? reason)]
    .map(([kind, alike]) => ({ kind, alike }))
    .sort((a, b) => b.alike.length - a.alike.length);
}

/** What to ask for instead, as the reasons have it: what most nodes would fit with comes first. */
export function advice(misfits: readonly Misfit[], some: { readonly fit: boolean }): string {
  const counted = Map.groupBy(misfits, ({ remedy }) => remedy);
  const later = counted.delete("later");
  counted.delete(undefined);
  const instead = [...counted]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([remedy, of]) => (remedy === "a shorter lease" ? shorter(of) : `${remedy}`));
  if (some.fit) instead.push("fewer nodes");
  const ask = instead.length > 0 ? `ask for ${instead.join(" or ")}` : undefined;
  if (ask) return later ? `${ask}, or again later` : ask;
  return later ? "ask again later" : "ask whoever runs the agent for nodes that do";
}

function shorter(misfits: readonly Misfit[]): string {
  const longest = Math.max(0, ...misfits.map((misfit) => misfit.longest ?? 0));
  return longest > 0 ? `a lease of at most ${formatLength(longest)}` : "a shorter lease";
}

function sentence({ name, reason }: Misfit): string {
  return `${name} ${reason}`;
}

const PLURALS = new Map([
  ["has", "have"],
  ["is", "are"],
  ["does", "do"],
  ["keeps", "keep"],
  ["could", "could"],
]);

/** A clause that says something of one node, said of several. */
function plural(clause: string): string {
  const [verb = "", ...rest] = clause.split(" ");
  return [PLURALS.get(verb) ?? verb, ...rest].join(" ");
}
