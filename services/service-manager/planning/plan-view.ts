import { kindsOf, type Reason } from "#shared/model/misfit.ts";
import { type Format, type Listing, shortName } from "../terminal/output.ts";
import type { Plan, PlannedNode } from "./planning.ts";

/** One node of a plan, as it is shown. */
export type Verdict = PlannedNode & {
  readonly verdict: "chosen" | "standby" | "spare" | "refused";
} & Partial<Reason>;

/** Up to so many nodes are all shown in a table; of more, those that would be taken. */
const ALL_SHOWN = 20;

/**
 * The nodes of a plan. A table of many leaves out those that would not be taken, and `planNotes` tells of them; wide
 * tables, JSON and YAML have them all, the most frequent reason first.
 */
export function planListing(plan: Plan, format: Format = "table"): Listing<Verdict> {
  const taken = [...plan.chosen.map(said("chosen")), ...plan.standby.map(said("standby"))];
  const refused = plan.refused.map((refusal) => ({ ...refusal, verdict: "refused" as const }));
  const others = [...plan.spare.map(said("spare")), ...kindsOf(refused).flatMap(({ alike }) => alike)];
  return {
    rows: isShortened(plan, format) ? taken : [...taken, ...others],
    columns: [
      { header: "NODE", value: ({ node }) => (node.includes(".") ? "" : shortName(node)) },
      { header: "IP", value: ({ node, ip }) => ip || (node.includes(".") ? node : "") },
      { header: "SITE", value: ({ site }) => site },
      { header: "VERDICT", value: ({ verdict }) => verdict },
      { header: "WHY", value: ({ reason }) => reason ?? "" },
    ],
    name: ({ node }) => node,
    member: (row) => row,
  };
}

/** What a listing in this format does not tell of a plan, a line each. */
export function planNotes(plan: Plan, format: Format = "table"): string[] {
  const shortened = isShortened(plan, format);
  const spare = plan.unnamed.spare + (shortened ? plan.spare.length : 0);
  const unlisted = plan.unnamed.refused;
  return [
    ...(spare > 0 ? [`${spare} more would do as well`] : []),
    // A shortage says why by itself.
    ...(shortened && plan.explanation !== "" && !plan.shortage ? [plan.explanation] : []),
    ...(shortened ? ["-o wide lists every node, and why not"] : []),
    ...(!shortened && unlisted > 0 ? [`${unlisted} more would not do; they are not listed`] : []),
  ];
}

function isShortened({ chosen, standby, spare, refused, unnamed }: Plan, format: Format): boolean {
  const all =
    chosen.length + standby.length + spare.length + refused.length + unnamed.spare + unnamed.refused;
  return format === "table" && all > ALL_SHOWN;
}

function said(verdict: Verdict["verdict"]): (planned: PlannedNode) => Verdict {
  return ({ node, ip, site }) => ({ node, ip, site, verdict });
}
