import type { KeyName } from "#shared/identity/key.ts";
import { Fault } from "#shared/model/errors.ts";
import type { EngineName } from "#shared/model/ticket.ts";
import type { Instant, Term } from "#shared/model/time.ts";
import type { SLIVER_STATES } from "#shared/wire/node-manager-api.ts";
import type { Backend, Usage } from "../backends/backend.ts";
import { byDeadline, type Deadlines } from "../deadline.ts";
import { type Engines, engineOf } from "../engines/engines.ts";
import type { NodeTime } from "../node-time.ts";
import type { SliverConditions } from "../slivers/sliver-conditions.ts";
import type { StoredLease } from "../store/lease-rows.ts";
import { suspensionSentence } from "../store/suspension-rows.ts";
import type { Store } from "../store.ts";
import { findOwnLease } from "./ownership.ts";

export type StatusDeps = {
  readonly store: Store;
  readonly engines: Engines;
  readonly conditions: SliverConditions;
  readonly time: NodeTime;
  readonly deadlines: Deadlines;
};

export type SliverStateShown = (typeof SLIVER_STATES)[number];

export type Condition = {
  readonly type: string;
  readonly status: boolean;
  readonly since: Instant;
  readonly reason: string;
};

/** How a sliver stands now, as its engine says, and what is or is not well with it. */
export type SliverStatus = {
  readonly slice: string;
  readonly sliver: string;
  readonly state: SliverStateShown;
  readonly engine: EngineName;
  readonly simulated: boolean;
  readonly term: Term;
  readonly renewableUntil: Instant;
  readonly usage?: Usage;
  readonly conditions: readonly Condition[];
  /** Everybody who may do this here. */
  readonly members: readonly KeyName[];
};

/** For the slice's members alone. Never fails because its engine does: then the state is "unknown". */
export async function statusOf(deps: StatusDeps, slice: string, peer: KeyName): Promise<SliverStatus> {
  const lease = findOwnLease(deps.store, { slice }, peer);
  const backend = engineOf(deps.engines, lease.engine);
  const state = await stateOf(deps, backend, lease);
  return {
    ...{ slice, sliver: lease.sliver, state, engine: lease.engine, simulated: backend.statement.simulated },
    ...{ term: lease.term, renewableUntil: lease.renewableUntil },
    usage: state === "running" ? await asked(deps, () => backend.usage(lease.sliver)) : undefined,
    conditions: conditionsOf(deps, lease, state, backend.trouble),
    members: deps.store.members.of(lease.serial),
  };
}

async function stateOf(deps: StatusDeps, backend: Backend, lease: StoredLease): Promise<SliverStateShown> {
  switch (lease.state) {
    case "creating":
      return "creating";
    case "deleting":
    case "undoing":
      return "deleting";
    case "live": {
      if (deps.store.suspensions.has(lease.serial)) return "suspended";
      const facts = await asked(deps, () => backend.list());
      if (!facts) return "unknown";
      return facts.find((fact) => fact.id === lease.sliver)?.state ?? "missing";
    }
    default:
      return lease.state satisfies never;
  }
}

/** What an engine answers, or undefined when it fails or takes too long. */
async function asked<T>({ deadlines }: StatusDeps, ask: () => Promise<T>): Promise<T | undefined> {
  const late = () => new Fault("BACKEND_FAILED", "the engine does not answer");
  try {
    return await byDeadline(ask(), { withinMs: Math.min(5_000, deadlines.engineMs), late });
  } catch (error) {
    if (error instanceof Error) return undefined; // shown as "unknown": the reconciler logs what is wrong
    throw error;
  }
}

function conditionsOf(
  deps: StatusDeps,
  lease: StoredLease,
  state: SliverStateShown,
  trouble: string | undefined,
): Condition[] {
  const known = deps.conditions.of(lease.serial);
  const running = state === "running";
  const suspended = suspensionSentence(deps.store.suspensions.of(lease.serial));
  const found = suspended ?? trouble ?? (known?.ready === false ? known.reason : `the sliver is ${state}`);
  const reason = running ? (known?.ready ? known.reason : "the sliver runs") : found;
  const since = known && known.ready === running ? known.since : deps.time.now();
  return [{ type: "Ready", status: running, since, reason }];
}
