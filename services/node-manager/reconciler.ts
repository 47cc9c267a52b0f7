import pLimit from "p-limit";
import { Fault } from "#shared/model/errors.ts";
import type { Log } from "#shared/runtime/log.ts";
import type { Backend, SliverFact, SliverState } from "./backends/backend.ts";
import { byDeadline, type Deadlines } from "./deadline.ts";
import type { Engines } from "./engines/engines.ts";
import { endOverdueLeases } from "./leases/deletion.ts";
import type { NodeTime } from "./node-time.ts";
import { type EndingDeps, endRevokedLeases } from "./revocation/ending.ts";
import type { Revocations } from "./revocation/revocations.ts";
import type { SliverConditions } from "./slivers/sliver-conditions.ts";
import type { Slivers } from "./slivers/slivers.ts";
import type { LeaseState, StoredLease } from "./store/lease-rows.ts";
import { suspensionSentence } from "./store/suspension-rows.ts";
import type { Store } from "./store.ts";

/** Makes machines and leases agree: after every restart, on a timer, and when a lease's time is over. */
export type Reconciler = AsyncDisposable & {
  /** Looks once at everything and brings it in order; resolves when that is done. Never rejects. */
  pass(): Promise<void>;
};

export type ReconcilerDeps = {
  readonly store: Store;
  readonly engines: Engines;
  readonly slivers: Slivers;
  readonly conditions: SliverConditions;
  readonly time: NodeTime;
  readonly deadlines: Deadlines;
  readonly revocations: Revocations;
  /** What becomes of leases that are revoked. */
  readonly policy: EndingDeps["policy"];
  readonly onFewerKeys: EndingDeps["onFewerKeys"];
  readonly log: Log;
  readonly signal: AbortSignal;
};

const EVERY_MILLISECONDS = 15_000;
/** How long an unknown machine is kept, stopped, before it is destroyed: time for somebody to notice. */
const QUARANTINE_SECONDS = 86_400;
const AT_ONCE = 8;

/** Starts with a pass, and goes on until it is disposed of. */
export function startReconciler(deps: Omit<ReconcilerDeps, "signal">): Reconciler {
  const { store, time, log } = deps;
  const ending = new AbortController();
  const passes = new Set<Promise<void>>();
  let timer: NodeJS.Timeout | undefined;

  // A pass is not kept from beginning by an earlier one: one engine that hangs must not stop leases from ending.
  function pass(): Promise<void> {
    const done = reconcile({ ...deps, signal: ending.signal })
      .catch((error) => {
        if (!ending.signal.aborted) log.error({ err: error }, "reconciling failed; it is tried again");
      })
      .finally(() => passes.delete(done));
    passes.add(done);
    schedule();
    return done;
  }

  function schedule(): void {
    clearTimeout(timer);
    if (ending.signal.aborted) return;
    const end = store.leases.nextEnd();
    const untilEnd = end === undefined ? Number.POSITIVE_INFINITY : (end - time.now()) * 1000;
    // Not at once again for an overdue lease: whatever kept it from being ended may last.
    timer = setTimeout(pass, Math.min(EVERY_MILLISECONDS, Math.max(1_000, untilEnd)));
  }

  void pass();
  return {
    pass,
    async [Symbol.asyncDispose]() {
      ending.abort(new Fault("BUSY", "the node manager is stopping"));
      clearTimeout(timer);
      await Promise.all(passes);
    },
  };
}

async function reconcile(deps: ReconcilerDeps): Promise<void> {
  const { store, slivers, time, log, signal } = deps;
  endOverdueLeases(deps);
  endRevokedLeases(deps);
  const limit = pLimit(AT_ONCE);
  const idle = (state: LeaseState) =>
    store.leases.inState(state).filter(({ serial }) => !slivers.busy(serial));
  // Also what was decided before the clock was set waits until it can be believed again (RELIABILITY I9).
  const over = time.sure() ? [...idle("deleting"), ...idle("undoing")] : [];
  const work = [
    ...idle("creating").map(({ serial }) => limit(() => slivers.make(serial))),
    ...over.map(({ serial }) => limit(() => slivers.remove(serial))),
    ...deps.engines.map((backend) => agree(deps, backend)),
  ];
  for (const outcome of await Promise.allSettled(work)) {
    signal.throwIfAborted();
    if (outcome.status === "rejected") log.warn({ err: outcome.reason }, "a sliver is not as its lease says");
  }
  prune(store, time);
}

/** Compares one engine's machines with its leases. */
async function agree(deps: ReconcilerDeps, backend: Backend): Promise<void> {
  const { store, slivers, conditions, time } = deps;
  const { engine } = backend.statement;
  const before = store.leases.all().filter((lease) => lease.engine === engine);
  const facts = await factsOf(deps, backend, before);
  const limit = pLimit(AT_ONCE);
  const starts = before
    .filter((lease) => lease.state === "live")
    .map((lease) => {
      const state = facts.find(({ id }) => id === lease.sliver)?.state;
      if (slivers.busy(lease.serial)) return Promise.resolve();
      if (store.suspensions.has(lease.serial)) return limit(() => keepStopped(deps, lease, state));
      if (state !== "running") return limit(() => slivers.restart(lease.serial));
      conditions.set(lease.serial, { ready: true, reason: "the sliver runs" }, time.now());
      return Promise.resolve();
    });
  const unknown = facts.filter(
    ({ id }) => !before.some((lease) => lease.sliver === id) && !store.leases.ofSliver(id),
  );
  const outcomes = await Promise.allSettled([...starts, quarantine(deps, backend, unknown)]);
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed) throw failed.reason;
}

/** A suspended sliver stays stopped, whoever started it, and says why. */
async function keepStopped(
  { store, slivers, conditions, time }: ReconcilerDeps,
  { serial }: StoredLease,
  state: SliverState | undefined,
): Promise<void> {
  const reason = suspensionSentence(store.suspensions.of(serial));
  if (reason !== undefined) conditions.set(serial, { ready: false, reason }, time.now());
  if (state === "running") await slivers.halt(serial);
}

/** Of an engine that says nothing no sliver is known to be well. */
async function factsOf(
  deps: ReconcilerDeps,
  backend: Backend,
  leases: readonly StoredLease[],
): Promise<SliverFact[]> {
  try {
    return await ask(deps, backend.list(), "saying which slivers there are");
  } catch (error) {
    deps.signal.throwIfAborted();
    const reason = error instanceof Fault ? error.sentence : "the engine failed";
    for (const { serial, state } of leases) {
      if (state === "live") deps.conditions.set(serial, { ready: false, reason }, deps.time.now());
    }
    throw error;
  }
}

/**
 * Stops machines that no lease explains, keeps and reports them, and destroys them only after a day, with a clock that
 * can be believed and a store that never lost anything (RELIABILITY I3, I9).
 */
async function quarantine(
  deps: ReconcilerDeps,
  backend: Backend,
  unknown: readonly SliverFact[],
): Promise<void> {
  const { store, time, log } = deps;
  const { engine } = backend.statement;
  const held = store.quarantine.all().filter((entry) => entry.engine === engine);
  const gone = held.filter(({ sliver }) => !unknown.some(({ id }) => id === sliver));
  if (gone.length > 0)
    store.transaction((tx) => {
      for (const { sliver } of gone) store.quarantine.remove(tx, sliver);
    });
  for (const { id, state } of unknown) {
    const since = held.find(({ sliver }) => sliver === id)?.since;
    if (since === undefined) {
      log.warn({ sliver: id, engine }, "a machine that no lease explains is stopped and kept");
      store.transaction((tx) => {
        store.quarantine.add(tx, id, engine, time.now());
        store.audit.record(tx, { ...entry(time, "machine quarantined"), note: `${engine} ${id}` });
      });
    }
    const over = since !== undefined && since + QUARANTINE_SECONDS <= time.now();
    if (over && time.sure() && !store.restored()) await destroy(deps, backend, id);
    else if (state === "running") await ask(deps, backend.stop(id), "stopping a sliver");
  }
}

async function destroy(deps: ReconcilerDeps, backend: Backend, sliver: string): Promise<void> {
  const { store, time, log } = deps;
  log.warn({ sliver }, "a machine that nobody claimed for a day is destroyed");
  await ask(deps, backend.remove(sliver), "removing a sliver");
  store.transaction((tx) => {
    store.quarantine.remove(tx, sliver);
    store.audit.record(tx, {
      ...entry(time, "machine destroyed"),
      note: `${backend.statement.engine} ${sliver}`,
    });
  });
}

function ask<T>({ deadlines, signal }: ReconcilerDeps, work: Promise<T>, what: string): Promise<T> {
  const late = () => new Fault("BACKEND_FAILED", `${what} took longer than ${deadlines.engineMs / 1000} s`);
  return byDeadline(work, { withinMs: deadlines.engineMs, late, signal });
}

/** Lets go of what can never matter again, and notes the time, below which the clock must not run from now on. */
function prune(store: Store, time: NodeTime): void {
  if (!time.sure()) return;
  const now = time.now();
  store.transaction((tx) => {
    store.tickets.prune(tx, now);
    store.holdings.prune(tx, now);
    store.replies.prune(tx, now);
    store.audit.pruneRefusals(tx);
    store.recordTime(tx, now);
  });
}

function entry(time: NodeTime, action: string) {
  return { atMilliseconds: time.milliseconds(), peer: "node" as const, action, outcome: "done" };
}
