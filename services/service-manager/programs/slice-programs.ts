import type { Program } from "#shared/model/slice-description.ts";
import type { Instant } from "#shared/model/time.ts";
import type { KeptFile, KeptProgram, ProgramCommand } from "../journal/slice-record.ts";
import { MAIN_PROGRAM } from "./program-keeper.ts";
import { programDigest } from "./program-script.ts";

/*
 * Which programs belong on which node of a slice, out of what its owner said with `slice launch` and `slice stop` and
 * of its description. Of each name a node has one program at most: what was said of that very node, else what was said
 * of the whole slice, else, for the main one, what the description says.
 */

type Programs = readonly KeptProgram[];

/** What `slice launch` is told to run. */
export type Launching = {
  readonly name: string;
  readonly run: ProgramCommand;
  readonly files: readonly KeptFile[];
  readonly at: Instant;
};

/** Whom a command means: all nodes the slice has, and, unless it means the whole slice, the chosen ones. */
export type Meant = { readonly all: readonly string[]; readonly chosen?: readonly string[] };

/** A program as it belongs on a node. */
export type Belonging = Launching & { readonly owed: boolean };

/** What was said, and now the launch of a program. It is owed to every node that is meant until it has come there. */
export function withLaunched(
  programs: Programs,
  launching: Launching,
  { all, chosen }: Meant,
): KeptProgram[] {
  const { name } = launching;
  if (!chosen)
    return [...programs.filter((one) => one.name !== name), { ...launching, others: [], owed: all }];
  const rest = withoutNodes(programs, name, chosen);
  const same = rest.find((one) => one.name === name && one.nodes && isSame(one, launching));
  const nodes = [...(same?.nodes ?? []), ...chosen];
  const owed = [...(same?.owed ?? []), ...chosen];
  return [
    ...rest.filter((one) => one !== same),
    { ...launching, nodes, owed, others: all.filter((node) => !nodes.includes(node)) },
  ];
}

function isSame({ run, files }: KeptProgram, other: Launching): boolean {
  return run !== undefined && programDigest(run, files) === programDigest(other.run, other.files);
}

/**
 * What was said, and now the end of a program. What else would run there, of the whole slice or its description, is
 * said not to; nothing of a name is left otherwise.
 */
export function withStopped(
  programs: Programs,
  stopped: { readonly name: string; readonly at: Instant },
  described: Program | undefined,
  { all, chosen }: Meant,
): KeptProgram[] {
  const { name } = stopped;
  const rest = chosen ? withoutNodes(programs, name, chosen) : programs.filter((one) => one.name !== name);
  const general = rest.find((one) => one.name === name && !one.nodes);
  const otherwise = general ? general.run !== undefined : name === MAIN_PROGRAM && described !== undefined;
  if (!otherwise) return rest;
  const others = chosen ? all.filter((node) => !chosen.includes(node)) : [];
  return [...rest, { ...stopped, files: [], others, owed: [], ...(chosen && { nodes: chosen }) }];
}

/** What was said, but for it that the main program was stopped: what the description says belongs everywhere again. */
export function withoutMainStops(programs: Programs): KeptProgram[] {
  return programs.filter(({ name, run }) => name !== MAIN_PROGRAM || run !== undefined);
}

/** What was said under a name, without what was said of these nodes. */
function withoutNodes(programs: Programs, name: string, without: readonly string[]): KeptProgram[] {
  return programs.flatMap((one): KeptProgram[] => {
    if (one.name !== name) return [one];
    const owed = one.owed.filter((node) => !without.includes(node));
    if (!one.nodes) return [{ ...one, owed }];
    const nodes = one.nodes.filter((node) => !without.includes(node));
    const others = [...new Set([...one.others, ...without])];
    return nodes.length > 0 ? [{ ...one, nodes, others, owed }] : [];
  });
}

/** The nodes of a slice, for who stands in for whom: all with a lease, in order; those given up for lost; new ones. */
export type Standing = {
  readonly leased: readonly string[];
  readonly lost: ReadonlySet<string>;
  readonly fresh: readonly string[];
};

/**
 * Hands programs that were launched on some nodes only from those that are lost to nodes that came instead: never to
 * one that was there and not meant, and from a node that has its lease yet only to a fresh one.
 */
export function handedOver(programs: Programs, { leased, lost, fresh }: Standing): KeptProgram[] {
  const good = leased.filter((node) => !lost.has(node));
  return programs.flatMap((one): KeptProgram[] => {
    if (!one.nodes) return [{ ...one, owed: one.owed.filter((node) => leased.includes(node)) }];
    if (!one.run) {
      const nodes = one.nodes.filter((node) => leased.includes(node));
      return nodes.length > 0 ? [{ ...one, nodes }] : [];
    }
    const taken = new Set(programs.flatMap(({ name, nodes }) => (name === one.name ? (nodes ?? []) : [])));
    const free = good.filter((node) => !taken.has(node) && !one.others.includes(node));
    const newcomers = free.filter((node) => fresh.includes(node));
    const idle = free.filter((node) => !fresh.includes(node));
    const came: string[] = [];
    const nodes = one.nodes.map((node) => {
      if (good.includes(node)) return node;
      const standIn = newcomers.shift() ?? (leased.includes(node) ? undefined : idle.shift());
      if (standIn !== undefined) came.push(standIn);
      return standIn ?? node;
    });
    return [{ ...one, nodes, owed: [...one.owed.filter((node) => nodes.includes(node)), ...came] }];
  });
}

/** The programs that belong on a node, but for the description's own unless something was said in its place. */
export function belongingOn(programs: Programs, node: string): Belonging[] {
  const names = [...new Set(programs.map(({ name }) => name))];
  return names.flatMap((name) => {
    const said = sayingFor(programs, name, node);
    return said?.run ? [{ ...said, run: said.run, owed: said.owed.includes(node) }] : [];
  });
}

/** Whether what the description says does not hold on this node, since its owner said something else. */
export function isOverruled(programs: Programs, node: string): boolean {
  return sayingFor(programs, MAIN_PROGRAM, node) !== undefined;
}

function sayingFor(programs: Programs, name: string, node: string): KeptProgram | undefined {
  const named = programs.filter((one) => one.name === name);
  return named.find(({ nodes }) => nodes?.includes(node)) ?? named.find(({ nodes }) => !nodes);
}

/** Nodes on which some program is not known to have come. */
export function owingNodes(programs: Programs): string[] {
  return [...new Set(programs.flatMap(({ owed }) => owed))];
}

/** What was said, where programs have come to nodes. */
export function withArrived(
  programs: Programs,
  arrived: readonly { readonly name: string; readonly node: string }[],
): KeptProgram[] {
  const came = (name: string, node: string) => arrived.some((one) => one.name === name && one.node === node);
  return programs.map((one) => ({ ...one, owed: one.owed.filter((node) => !came(one.name, node)) }));
}
