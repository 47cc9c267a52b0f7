import type { Instant } from "#shared/model/time.ts";
import type { CallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import type { SliceState } from "../journal/slice-state.ts";
import { callOptions, type Effort, onEach } from "../network/fan-out.ts";
import type { Network } from "../network/network.ts";
import { failureName, failureSentence } from "../terminal/failure.ts";
import { statusOf } from "./owners-ending.ts";
import { type SliverView, sliverViews } from "./sliver-view.ts";

/** Every node of a slice, in its own words where it has a lease: the lease says only what was promised. */
export async function lookAtSlivers(
  slice: SliceState,
  network: Network,
  effort: Effort,
  now: Instant,
): Promise<{ views: SliverView[]; failures: CallFailure[] }> {
  const { nodes } = slice.record;
  const leased = nodes.filter(({ node }) => slice.leases.has(node));
  const outcomes = await onEach(
    "asking nodes",
    leased,
    (address) => {
      const { lease } = slice.leases.get(address.node)!;
      return statusOf(network.node(address), lease, callOptions(effort));
    },
    effort,
  );
  const byNode = new Map(outcomes.map((outcome) => [outcome.item.node, outcome]));
  const views = sliverViews(slice, now).map((view): SliverView => {
    const outcome = byNode.get(view.address.node);
    if (!outcome) return view;
    if (!outcome.ok) {
      const { error } = outcome;
      return {
        ...view,
        state: "unknown",
        trouble: { name: failureName(error), sentence: failureSentence(error) },
      };
    }
    const wrong = outcome.value.conditions.find(({ status }) => !status);
    return {
      ...view,
      state: outcome.value.state,
      usage: outcome.value.usage,
      members: outcome.value.members,
      trouble: wrong ? { name: wrong.type, sentence: wrong.reason } : view.trouble,
    };
  });
  return { views, failures: outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome.error])) };
}
