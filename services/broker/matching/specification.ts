import type { EngineAbilities } from "#shared/model/ability.ts";
import type { Reason } from "#shared/model/misfit.ts";
import type { Share } from "#shared/model/resources.ts";
import type { Instant } from "#shared/model/time.ts";

/** What an agent says about one node on which it holds resources (paper §2.2: it "advertises the tickets it holds"). */
export type Advertisement = {
  /** The agent that says so, as the caller names it. */
  readonly agent: string;
  readonly node: string;
  readonly ip: string;
  readonly sslport: number;
  /** Empty when the agent knows none. */
  readonly site: string;
  /** Undefined when the agent knows none. */
  readonly region?: string;
  /** Undefined when the agent knows none. */
  readonly country?: string;
  /** What tags are compared with: name and values, e.g. region → eu. */
  readonly tags: ReadonlyMap<string, readonly string[]>;
  readonly engines: readonly string[];
  readonly images: readonly string[];
  /** What each of its engines says its slivers have. */
  readonly abilities: readonly EngineAbilities[];
  readonly simulated: boolean;
  /** What the agent holds there now, without its overbooking. */
  readonly resources: Share;
  /** What is free over the whole time that was asked about, as far as it is held. */
  readonly free: Share;
  /** When what is held there ends; undefined when the agent does not say. */
  readonly heldUntil?: Instant;
  /** The longest lease the agent gives at all, in seconds; undefined when it does not say. */
  readonly maxLeaseSeconds?: number;
  /** Processes that want a processor, over a minute; undefined when nobody measured lately. */
  readonly load?: number;
  /** Processors, as its monitor tells; undefined when none does. */
  readonly cpus?: number;
  /** The part of the time it was heard, from 0 to 1, recent days counting more; undefined while unknown. */
  readonly liveness?: number;
  /** When the node last reported to the agent; undefined if it never did. */
  readonly heard?: Instant;
  /** When a monitor last told of it. Nobody signs that: it may speak against a node, never for it. */
  readonly monitored?: Instant;
};

/** A node the slice has already: it counts where the slice is to be spread, and is not chosen again. */
export type HeldNode = Pick<Advertisement, "node"> & {
  /** Its address, and where it is, in case nobody advertises it any more. */
  readonly ip?: string;
  readonly site?: string;
};

/** A node that was left out, and why. */
export type Refusal = Reason & { readonly node: string; readonly ip: string; readonly site: string };

/** The broker's answer to a description (paper, Figure 1): which nodes, of which agents, and why not the others. */
export type Specification = {
  /** In order of preference, at most as many as are wanted. */
  readonly chosen: readonly Advertisement[];
  /** Kept in reserve for chosen ones that fail. */
  readonly standby: readonly Advertisement[];
  /** Would do as well, and are not needed. */
  readonly spare: readonly Advertisement[];
  readonly refused: readonly Refusal[];
  /** Those of the refused that must be among the chosen. A slice that has no nodes yet gets none where there are any. */
  readonly unmet?: readonly Refusal[];
};
