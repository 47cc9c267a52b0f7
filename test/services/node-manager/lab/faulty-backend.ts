import type { Backend, SliverFact, SliverPlan } from "#services/node-manager/backends/backend.ts";
import { simulatedBackend } from "#services/node-manager/backends/simulated.ts";

/** An engine in whose way a test can stand: each fault decides what happens instead of the real thing, or before it. */
export type FaultyBackend = Backend & {
  ensureFault?: (plan: SliverPlan, real: () => Promise<void>) => Promise<void>;
  removeFault?: (id: string, real: () => Promise<void>) => Promise<void>;
  stopFault?: (id: string, real: () => Promise<void>) => Promise<void>;
  listFault?: (real: () => Promise<SliverFact[]>) => Promise<SliverFact[]>;
  /** Every call that was made, as `name id`, in order. */
  readonly calls: string[];
};

/** The simulated engine, honest until a fault is set. */
export function faultyBackend(): FaultyBackend {
  const real = simulatedBackend();
  const calls: string[] = [];
  const backend: FaultyBackend = {
    statement: real.statement,
    calls,
    ensure(plan) {
      calls.push(`ensure ${plan.id}`);
      const honest = () => real.ensure(plan);
      return backend.ensureFault ? backend.ensureFault(plan, honest) : honest();
    },
    stop(id) {
      calls.push(`stop ${id}`);
      const honest = () => real.stop(id);
      return backend.stopFault ? backend.stopFault(id, honest) : honest();
    },
    remove(id) {
      calls.push(`remove ${id}`);
      const honest = () => real.remove(id);
      return backend.removeFault ? backend.removeFault(id, honest) : honest();
    },
    list() {
      const honest = () => real.list();
      return backend.listFault ? backend.listFault(honest) : honest();
    },
    exec: (id, command) => real.exec(id, command),
    usage: (id) => real.usage(id),
  };
  return backend;
}

/** Never settles. */
export function hang(): Promise<never> {
  return new Promise(() => {});
}
