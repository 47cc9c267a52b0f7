import { Fault } from "#shared/model/errors.ts";
import type { Log } from "#shared/runtime/log.ts";
import type { SliverPlan } from "../backends/backend.ts";
import { byDeadline, type Deadlines } from "../deadline.ts";
import { type Engines, engineOf } from "../engines/engines.ts";
import type { NodeTime } from "../node-time.ts";
import type { Tx } from "../store/database.ts";
import { leaseOf, type StoredLease } from "../store/lease-rows.ts";
import { suspensionSentence } from "../store/suspension-rows.ts";
import type { Store } from "../store.ts";
import type { SliverConditions } from "./sliver-conditions.ts";

/**
 * Brings slivers to what their leases say, in the order of writing of RELIABILITY.md. One thing is done to a sliver at
 * a time, and whoever asks for what is being done already joins.
 */
export type Slivers = AsyncDisposable & {
  /** Makes the sliver of a lease that is `creating`; when this resolves the lease is live. BACKEND_FAILED: undone. */
  make(serial: string): Promise<void>;
  /** Removes the sliver of a lease that is `deleting` or `undoing`; when this resolves the lease is gone. */
  remove(serial: string): Promise<void>;
  /** Makes the sliver of a live lease run that does not, unless it is suspended. */
  restart(serial: string): Promise<void>;
  /** Stops the sliver of a live lease that is suspended, and puts out everybody who is in it. */
  halt(serial: string): Promise<void>;
  /** Whether something is being done for this lease. */
  busy(serial: string): boolean;
};

export type SliverDeps = {
  readonly store: Store;
  readonly engines: Engines;
  readonly time: NodeTime;
  readonly conditions: SliverConditions;
  readonly deadlines: Deadlines;
  readonly log: Log;
  /** A lease is over or suspended: nobody may stay in its sliver. */
  readonly onGone: (slice: string) => void;
  /** Something is in the outbox. */
  readonly onNews: () => void;
};

export function slivers(deps: SliverDeps): Slivers {
  const { store, engines, time, conditions, deadlines, log } = deps;
  const turns = new Map<string, Promise<void>>();
  const running = new Map<string, Promise<void>>();
  const ending = new AbortController();

  /** One at a time for each lease; the same work asked for again is the same work. */
  function once(kind: string, serial: string, work: () => Promise<void>): Promise<void> {
    const key = `${kind} ${serial}`;
    const known = running.get(key);
    if (known) return known;
    const before = turns.get(serial) ?? Promise.resolve();
    const begin = () => {
      ending.signal.throwIfAborted();
      return work();
    };
    const turn = before.then(begin, begin);
    const done = turn.finally(() => {
      running.delete(key);
      if (turns.get(serial) === done) turns.delete(serial);
    });
    done.catch(() => undefined); // whoever waits for it learns of it
    running.set(key, done);
    turns.set(serial, done);
    return done;
  }

  function engine<T>(work: Promise<T>, withinMs: number, what: string): Promise<T> {
    const late = () => new Fault("BACKEND_FAILED", `${what} took longer than ${withinMs / 1000} s`);
    return byDeadline(work, { withinMs, late, signal: ending.signal });
  }

  async function make(serial: string): Promise<void> {
    const lease = store.leases.bySerial(serial);
    if (lease?.state !== "creating") return;
    try {
      const ensured = engineOf(engines, lease.engine).ensure(planOf(lease));
      await engine(ensured, deadlines.ensureMs, "making the sliver");
    } catch (cause) {
      ending.signal.throwIfAborted();
      throw await undo(lease, cause);
    }
    store.transaction((tx) => {
      store.leases.move(tx, serial, "creating", "live");
      for (const { id, agent } of store.tickets.ofLease(serial)) {
        if (agent !== undefined) store.outbox.put(tx, agent, id, "redeemed", time.now());
      }
      record(tx, lease, "sliver made");
    });
    conditions.set(serial, { ready: true, reason: "the sliver runs" }, time.now());
    deps.onNews();
  }

  /** Takes back what was promised; gives the fault to answer with. The ticket is free once the remains are gone. */
  async function undo(lease: StoredLease, cause: unknown): Promise<Fault> {
    log.warn({ err: cause, slice: lease.slice }, "a sliver could not be made");
    store.transaction((tx) => {
      store.leases.move(tx, lease.serial, "creating", "undoing");
      record(tx, lease, "sliver not made", "BACKEND_FAILED");
    });
    try {
      await removeNow(lease.serial);
    } catch (error) {
      ending.signal.throwIfAborted();
      log.warn(
        { err: error, slice: lease.slice },
        "what was made of it could not be removed: it is tried again",
      );
    }
    const reason = cause instanceof Fault ? cause.sentence : "the engine failed";
    return new Fault("BACKEND_FAILED", `the sliver could not be made: ${reason}; redeem the ticket again`, {
      cause,
    });
  }

  async function removeNow(serial: string): Promise<void> {
    const lease = store.leases.bySerial(serial);
    if (lease?.state !== "deleting" && lease?.state !== "undoing") return;
    deps.onGone(lease.slice);
    const removed = engineOf(engines, lease.engine).remove(lease.sliver);
    await engine(removed, deadlines.engineMs, "removing the sliver");
    store.transaction((tx) => {
      if (lease.state === "deleting") settleEnd(tx, lease);
      else store.tickets.free(tx, serial);
      store.leases.delete(tx, serial);
      store.replies.release(tx, serial);
      record(tx, lease, lease.state === "deleting" ? "sliver removed" : "ticket freed");
    });
    conditions.forget(serial);
    deps.onNews();
  }

  function settleEnd(tx: Tx, lease: StoredLease): void {
    for (const { id, agent } of store.tickets.ofLease(lease.serial)) {
      if (agent !== undefined) store.outbox.put(tx, agent, id, "ended", time.now());
    }
  }

  async function restart(serial: string): Promise<void> {
    const lease = store.leases.bySerial(serial);
    if (lease?.state !== "live" || store.suspensions.has(serial)) return;
    try {
      const ensured = engineOf(engines, lease.engine).ensure(planOf(lease));
      await engine(ensured, deadlines.ensureMs, "starting the sliver");
      conditions.set(serial, { ready: true, reason: "the sliver was started again" }, time.now());
    } catch (error) {
      ending.signal.throwIfAborted();
      const reason = error instanceof Fault ? error.sentence : "the engine failed";
      conditions.set(serial, { ready: false, reason }, time.now());
      throw error;
    }
    store.transaction((tx) => record(tx, lease, "sliver started again"));
  }

  async function halt(serial: string): Promise<void> {
    const lease = store.leases.bySerial(serial);
    const reason = suspensionSentence(store.suspensions.of(serial));
    if (lease?.state !== "live" || reason === undefined) return;
    conditions.set(serial, { ready: false, reason }, time.now());
    deps.onGone(lease.slice);
    const stopped = engineOf(engines, lease.engine).stop(lease.sliver);
    await engine(stopped, deadlines.engineMs, "stopping the sliver");
  }

  function record(tx: Tx, lease: StoredLease, action: string, outcome = "done"): void {
    const { slice, serial } = lease;
    store.audit.record(tx, {
      ...{ atMilliseconds: time.milliseconds(), peer: "node", action, outcome, slice, lease: serial },
    });
    if (time.sure()) store.recordTime(tx, time.now());
  }

  return {
    make: (serial) => once("make", serial, () => make(serial)),
    remove: (serial) => once("remove", serial, () => removeNow(serial)),
    restart: (serial) => once("restart", serial, () => restart(serial)),
    halt: (serial) => once("halt", serial, () => halt(serial)),
    busy: (serial) => turns.has(serial),
    async [Symbol.asyncDispose]() {
      ending.abort(new Fault("BUSY", "the node manager is stopping; ask again in a moment"));
      await Promise.allSettled(running.values());
    },
  };
}

function planOf(stored: StoredLease): SliverPlan {
  const { sliver: id, slice, resources, ceilings, image, ports, administrative } = leaseOf(stored);
  return { id, slice, resources, ceilings, image, ports, administrative };
}
