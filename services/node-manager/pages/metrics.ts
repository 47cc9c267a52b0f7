import { usedAt } from "#shared/model/account.ts";
import { SHARE_DIMENSIONS, type Share, type ShareDimension } from "#shared/model/resources.ts";
import type { Instant } from "#shared/model/time.ts";
import type { Family } from "#shared/runtime/open-metrics.ts";
import type { SettlementState } from "../holdings/settlement.ts";
import type { LeaseState } from "../store/lease-rows.ts";
import type { Store } from "../store.ts";

/** What a node manager's numbers are made of. */
export type NumbersDeps = {
  readonly store: Store;
  readonly capacity: Share;
  readonly now: Instant;
  readonly clockIsSure: boolean;
  readonly settlements: readonly SettlementState[];
  readonly engines: readonly { readonly engine: string; readonly trouble?: string }[];
};

const LEASE_STATES: readonly LeaseState[] = ["creating", "live", "deleting", "undoing"];

/** In the units that OpenMetrics wants, and how many of ours make one. */
const UNITS: Readonly<Record<ShareDimension, readonly [name: string, what: string, factor: number]>> = {
  cpuMillis: ["cpu_cores", "Processor cores", 1e-3],
  memoryMib: ["memory_bytes", "Bytes of memory", 2 ** 20],
  diskMib: ["disk_bytes", "Bytes of disk", 2 ** 20],
  egressKbps: ["egress_bits_per_second", "Bits a second of egress", 1000],
  slivers: ["slivers", "Slivers", 1],
};

/** What a node manager tells of itself in numbers (docs/reference/node-manager.md). Nothing of whose a lease is. */
export function nodeManagerFamilies(deps: NumbersDeps): Family[] {
  const { store, clockIsSure, engines } = deps;
  const held = store.leases.all();
  const count = (state: LeaseState) => held.filter((lease) => lease.state === state).length;
  const yes = (value: boolean) => Number(value);
  return [
    {
      ...gauge("leases", "Leases, by how far they have come."),
      samples: LEASE_STATES.map((state) => ({ label: ["state", state], value: count(state) })),
    },
    ...shareFamilies(deps),
    one("quarantined", "Machines that no lease explains.", store.quarantine.all().length),
    one("clock_sure", "1, or 0 while the clock was set and is not trusted yet.", yes(clockIsSure)),
    one("store_restored", "1 where the store was put back from a copy.", yes(store.restored())),
    {
      ...gauge("engine_works", "1 for an engine that works."),
      samples: engines.map(({ engine, trouble }) => ({ label: ["engine", engine], value: yes(!trouble) })),
    },
    ...agentFamilies(deps),
  ];
}

function shareFamilies({ store, capacity, now }: NumbersDeps): Family[] {
  const used = usedAt(store.charges.ofNode({ start: now, end: now + 1 }), now);
  return SHARE_DIMENSIONS.flatMap((dimension) => {
    const [name, what, factor] = UNITS[dimension];
    return [
      one(`leased_${name}`, `${what} that are leased.`, used[dimension] * factor),
      one(`capacity_${name}`, `${what} that there are to lease.`, capacity[dimension] * factor),
    ];
  });
}

function agentFamilies({ store, settlements, now }: NumbersDeps): Family[] {
  const waiting = settlements.map(({ agent }) => ({ agent, ...store.outbox.waiting(agent) }));
  const label = (agent: string) => ["agent", agent] as const;
  return [
    {
      ...gauge("outbox", "What an agent must still be told of tickets."),
      samples: waiting.map(({ agent, count }) => ({ label: label(agent), value: count })),
    },
    {
      ...gauge("outbox_age_seconds", "How long the oldest of that waits; 0 where nothing does."),
      samples: waiting.map(({ agent, since }) => ({ label: label(agent), value: since ? now - since : 0 })),
    },
    {
      ...gauge("agent_reached", "1 where the last attempt to tell an agent went well."),
      samples: settlements.map(({ agent, failure, settledAt }) => {
        return { label: label(agent), value: Number(!failure && settledAt !== undefined) };
      }),
    },
  ];
}

function gauge(name: string, help: string): Pick<Family, "name" | "type" | "help"> {
  return { name: `slicelab_node_manager_${name}`, type: "gauge", help };
}

function one(name: string, help: string, value: number): Family {
  return { ...gauge(name, help), samples: [{ value }] };
}
