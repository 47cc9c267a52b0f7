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

/** What is done to one sliver, by whoever has its turn. */
export class SliverWork {
  readonly #deps: SliverDeps;
  readonly #ending: AbortSignal;

  /** `ending`: aborted when nothing is waited for any more. */
  constructor(deps: SliverDeps, ending: AbortSignal) {
    this.#deps = deps;
    this.#ending = ending;
  }

  async make(serial: string): Promise<void> {
    const { store, engines, time, conditions, deadlines } = this.#deps;
    const lease = store.leases.bySerial(serial);
    if (lease?.state !== "creating") return;
    try {
      const ensured = engineOf(engines, lease.engine).ensure(planOf(lease));
      await this.#engine(ensured, deadlines.ensureMs, "making the sliver");
    } catch (cause) {
      this.#ending.throwIfAborted();
      throw await this.#undo(lease, cause);
    }
    store.transaction((tx) => {
      store.leases.move(tx, serial, "creating", "live");
      this.#settle(tx, lease, "redeemed");
      this.#record(tx, lease, "sliver made");
    });
    conditions.set(serial, { ready: true, reason: "the sliver runs" }, time.now());
    this.#deps.onNews();
  }

  /** Takes back what was promised; gives the fault to answer with. The ticket is free once the remains are gone. */
  async #undo(lease: StoredLease, cause: unknown): Promise<Fault> {
    const { store, log } = this.#deps;
    log.warn({ err: cause, slice: lease.slice }, "a sliver could not be made");
    store.transaction((tx) => {
      store.leases.move(tx, lease.serial, "creating", "undoing");
      this.#record(tx, lease, "sliver not made", "BACKEND_FAILED");
    });
    try {
      await this.remove(lease.serial);
    } catch (error) {
      this.#ending.throwIfAborted();
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

  async remove(serial: string): Promise<void> {
    const { store, engines, conditions, deadlines } = this.#deps;
    const lease = store.leases.bySerial(serial);
    if (lease?.state !== "deleting" && lease?.state !== "undoing") return;
    this.#deps.onGone(lease.slice);
    const removed = engineOf(engines, lease.engine).remove(lease.sliver);
    await this.#engine(removed, deadlines.engineMs, "removing the sliver");
    store.transaction((tx) => {
      if (lease.state === "deleting") this.#settle(tx, lease, "ended");
      else store.tickets.free(tx, serial);
      store.leases.delete(tx, serial);
      store.replies.release(tx, serial);
      this.#record(tx, lease, lease.state === "deleting" ? "sliver removed" : "ticket freed");
    });
    conditions.forget(serial);
    this.#deps.onNews();
  }

  async restart(serial: string): Promise<void> {
    const { store, engines, time, conditions, deadlines } = this.#deps;
    const lease = store.leases.bySerial(serial);
    if (lease?.state !== "live" || store.suspensions.has(serial)) return;
    try {
      const ensured = engineOf(engines, lease.engine).ensure(planOf(lease));
      await this.#engine(ensured, deadlines.ensureMs, "starting the sliver");
      conditions.set(serial, { ready: true, reason: "the sliver was started again" }, time.now());
    } catch (error) {
      this.#ending.throwIfAborted();
      const reason = error instanceof Fault ? error.sentence : "the engine failed";
      conditions.set(serial, { ready: false, reason }, time.now());
      throw error;
    }
    store.transaction((tx) => this.#record(tx, lease, "sliver started again"));
  }

  async calm(serial: string): Promise<void> {
    const { store, engines, time, conditions, deadlines } = this.#deps;
    const lease = store.leases.bySerial(serial);
    if (lease?.state !== "live" || store.suspensions.has(serial)) return;
    const stopped = engineOf(engines, lease.engine).stop(lease.sliver);
    await this.#engine(stopped, deadlines.engineMs, "stopping the sliver");
    store.transaction((tx) => this.#record(tx, lease, "sliver stopped: it ran out of memory without end"));
    await this.restart(serial);
    const reason =
      "it ran out of memory without end and was started again; ask for more, or start less in it";
    conditions.set(serial, { ready: true, reason }, time.now());
  }

  async halt(serial: string): Promise<void> {
    const { store, engines, time, conditions, deadlines } = this.#deps;
    const lease = store.leases.bySerial(serial);
    const reason = suspensionSentence(store.suspensions.of(serial));
    if (lease?.state !== "live" || reason === undefined) return;
    conditions.set(serial, { ready: false, reason }, time.now());
    this.#deps.onGone(lease.slice);
    const stopped = engineOf(engines, lease.engine).stop(lease.sliver);
    await this.#engine(stopped, deadlines.engineMs, "stopping the sliver");
  }

  /** Their agents are to learn what became of the tickets of a lease. */
  #settle(tx: Tx, lease: StoredLease, state: "redeemed" | "ended"): void {
    const { store, time } = this.#deps;
    for (const { id, agent } of store.tickets.ofLease(lease.serial)) {
      if (agent !== undefined) store.outbox.put(tx, agent, id, state, time.now());
    }
  }

  #record(tx: Tx, lease: StoredLease, action: string, outcome = "done"): void {
    const { store, time } = this.#deps;
    const { slice, serial } = lease;
    store.audit.record(tx, {
      ...{ atMilliseconds: time.milliseconds(), peer: "node", action, outcome, slice, lease: serial },
    });
    if (time.sure()) store.recordTime(tx, time.now());
  }

  #engine<T>(work: Promise<T>, withinMs: number, what: string): Promise<T> {
    const late = () => new Fault("BACKEND_FAILED", `${what} took longer than ${withinMs / 1000} s`);
    return byDeadline(work, { withinMs, late, signal: this.#ending });
  }
}

function planOf(stored: StoredLease): SliverPlan {
  const { sliver: id, slice, resources, ceilings, image, ports, administrative } = leaseOf(stored);
  return { id, slice, resources, ceilings, image, ports, administrative };
}
