import { Fault } from "#shared/model/errors.ts";
import { advice, explanation, type Misfit, reasonsOf } from "#shared/model/misfit.ts";
import type { Refusal, Specification } from "./specification.ts";

/** How a specification is told to people: what was left out and why, and what to ask for instead. */

/**
 * "31 of 40 nodes are left out: 12 have not been heard for 90 s, 9 have …"; empty when none is. Nodes that have to be there
 * and cannot be had are told of first, by name.
 */
export function explanationOf({ chosen, standby, spare, refused, unmet = [] }: Specification): string {
  if (refused.length === 0) return "";
  const all = chosen.length + standby.length + spare.length + refused.length;
  const are = refused.length === 1 ? "is" : "are";
  const counted = `${refused.length} of ${all} nodes ${are} left out: ${reasonsOf(misfitsOf(refused))}`;
  return unmet.length > 0 ? `${unmetReasons(unmet)}; ${counted}` : counted;
}

/** "ask for less or another image"; empty when nothing is left out. */
export function adviceOf({ chosen, refused, unmet = [] }: Specification): string {
  if (unmet.length > 0) return unmetAdvice(unmet);
  return refused.length === 0 ? "" : advice(misfitsOf(refused), { fit: chosen.length > 0 });
}

/** That too few nodes fit, which of them for what reason, and what to ask for instead. */
export function tooFew(specification: Specification, atleast: number): Fault {
  const { chosen, refused, unmet = [] } = specification;
  const few = `${chosen.length} of the ${atleast} nodes needed fit`;
  if (unmet.length > 0)
    return new Fault("NO_CAPACITY", `${few}: ${unmetReasons(unmet)}; ${unmetAdvice(unmet)}`);
  const why = explanation(misfitsOf(refused)) || "no agent holds anything on any other node";
  const instead = advice(misfitsOf(refused), { fit: chosen.length > 0 });
  return new Fault("NO_CAPACITY", `${few}: ${why}; ${instead}`);
}

/** As many nodes that have to be there as are told of. */
const UNMET_TOLD = 3;

function unmetReasons(unmet: readonly Refusal[]): string {
  const told = misfitsOf(unmet.slice(0, UNMET_TOLD)).map(
    ({ name, reason }) => `${name} has to be among them and ${reason}`,
  );
  if (unmet.length > UNMET_TOLD) told.push(`${unmet.length - UNMET_TOLD} more cannot be had`);
  return told.join("; ");
}

function unmetAdvice(unmet: readonly Refusal[]): string {
  const them = unmet.length === 1 ? "it" : "them";
  return `${advice(misfitsOf(unmet), { fit: false })}, or do not include ${them}`;
}

function misfitsOf(refused: readonly Refusal[]): Misfit[] {
  return refused.map((refusal) => ({ ...refusal, name: refusal.ip || refusal.node.slice(0, 12) }));
}
