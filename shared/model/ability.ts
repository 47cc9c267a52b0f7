import type { Capability } from "./capability.ts";
import { type AnyPorts, isNothing, type PortRange } from "./ports.ts";
import type { EngineName } from "./ticket.ts";

/**
 * What the slivers of an engine have beyond commands in a root directory, which all have:
 * `terminal`, `forwarding` (connections over ssh), `ports` (of the node's address), `disk-bound` (the disk ends where
 * the plan says), `fair-egress` (guaranteed rate, ceiling, and a fair share of the rest), `administrative` (such slivers
 * can be made at all), `weak-root` (root inside is nobody outside), `programs` (they are kept running inside, and start
 * again with the sliver), `own-kernel` (a bug of the node's kernel is not the slivers').
 */
export const ABILITIES = [
  "terminal",
  "forwarding",
  "ports",
  "disk-bound",
  "fair-egress",
  "administrative",
  "weak-root",
  "programs",
  "own-kernel",
] as const;
export type Ability = (typeof ABILITIES)[number];

/** What one engine of a node says its slivers have. Abilities that are not known here are kept and not needed. */
export type EngineAbilities = { readonly engine: string; readonly abilities: readonly string[] };

/** As much of a wish or a ticket as only some engines can do. */
export type Needy = {
  readonly engine?: EngineName;
  readonly ports?: readonly PortRange[];
  readonly anyPorts?: AnyPorts;
  readonly administrative?: readonly Capability[];
};

/** The abilities a sliver's engine must have. */
export function abilitiesNeeded({ ports = [], anyPorts, administrative }: Needy): Ability[] {
  // The programs of an administrative sliver are on the node's address themselves: nothing has to be led to them.
  if (administrative) return ["administrative"];
  return ports.length > 0 || !isNothing(anyPorts) ? ["ports"] : [];
}

/** The ability that no engine of a node has of those that could be used, or undefined when one has all that is needed. */
export function missingAbility(engines: readonly EngineAbilities[], needy: Needy): Ability | undefined {
  const usable = engines.filter(({ engine }) => needy.engine === undefined || engine === needy.engine);
  return abilitiesNeeded(needy).find((needed) => !usable.some(({ abilities }) => abilities.includes(needed)));
}

/** Why a node is of no use to somebody who needs an ability: a clause that follows its name. */
export function lacks(ability: Ability): string {
  switch (ability) {
    case "ports":
      return "has no engine whose slivers are reached on ports of the node";
    case "administrative":
      return "has no engine that makes administrative slivers";
    default:
      return `has no engine with the ability ${ability}`;
  }
}
