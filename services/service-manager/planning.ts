import { advertised, countedTime } from "#services/broker/acquisition.ts";
import { match } from "#services/broker/matching.ts";
import type { Specification } from "#services/broker/specification.ts";
import { shareOfOne } from "#shared/model/resources.ts";
import type { SliceDescription } from "#shared/model/slice-description.ts";
import type { Instant } from "#shared/model/time.ts";
import type { CallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import type { Network } from "./network.ts";
import { newOrder } from "./slice-order.ts";
import type { Wish } from "./wish.ts";

export type Plan = {
  readonly description: SliceDescription;
  readonly specification: Specification;
  /** Agents that did not answer. */
  readonly failures: readonly CallFailure[];
};

/** Does everything of a creation but ask for anything (the paper's slice specification, as a dry run). */
export async function planSlice(wish: Wish, network: Network, now: Instant): Promise<Plan> {
  const { description, resources } = await newOrder(wish, network, now);
  const { ads, failures } = await advertised(network.agents, countedTime(description.leaseSeconds, now));
  const specification = match(description, ads, now, { demand: shareOfOne(resources) });
  return { description, specification, failures };
}
