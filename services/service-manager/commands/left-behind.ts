import type { SliceState } from "../journal/slice-state.ts";
import type { Invocation } from "./invocation.ts";

/** As many nodes as are named. */
const NAMED = 5;

/** Says which nodes have not confirmed that nothing of the slice is left there, and what settles it. */
export function tellLeftBehind(invocation: Invocation, { record, tickets }: SliceState): void {
  const returning = record.unwanted.flatMap((id) => tickets.get(id)?.ticket.node ?? []);
  const nodes = [...new Set([...returning, ...(record.abandoned ?? []).map(({ node }) => node)])];
  if (nodes.length === 0) return;
  const ips = nodes.map((node) => record.nodes.find((one) => one.node === node)?.ip ?? node.slice(0, 12));
  const more = ips.length > NAMED ? ` and ${ips.length - NAMED} more` : "";
  invocation.say(
    `not confirmed yet that nothing of ${record.name} is left on ${ips.slice(0, NAMED).join(", ")}${more}: slice watch, or the next create, repair or delete, ends what they made`,
  );
}
