import { Fault, refuseUnless } from "#shared/model/errors.ts";
import { isSliceName } from "#shared/model/slice-name.ts";
import { endForOwner } from "../leases/deletion.ts";
import { findLease } from "../leases/ownership.ts";
import { resumeLease, suspendLease } from "../leases/suspension.ts";
import type { NodeTime } from "../node-time.ts";
import type { Slivers } from "../slivers/slivers.ts";
import type { Ban } from "../store/ban-rows.ts";
import type { Store } from "../store.ts";

export type OwnerDeps = {
  readonly store: Store;
  readonly slivers: Pick<Slivers, "make" | "remove" | "restart" | "halt">;
  readonly time: Pick<NodeTime, "now" | "milliseconds">;
};

/**
 * The last word of a node's owner over what runs on the machine, asked of nobody. Each act is durable before anything is
 * stopped or destroyed, so that a node manager that dies in between goes on with it.
 */
export class OwnerActs {
  readonly #deps: OwnerDeps;

  constructor(deps: OwnerDeps) {
    this.#deps = deps;
  }

  /** Throws NO_SLICE, or BUSY while the lease is on its way out. */
  async suspend(slice: string, reason: string): Promise<void> {
    const lease = findLease(this.#deps.store, { slice });
    refuseUnless(lease.state !== "deleting", "BUSY", `the sliver of ${slice} is being removed already`);
    await suspendLease(this.#deps, lease, { by: "owner", reason });
  }

  /** Throws NO_SLICE, and SUSPENDED where the owner is not who suspended it. */
  async resume(slice: string): Promise<void> {
    const { store } = this.#deps;
    const lease = findLease(store, { slice });
    const suspensions = store.suspensions.of(lease.serial);
    const others = suspensions.filter(({ by }) => by !== "owner");
    await resumeLease(this.#deps, lease, { by: "owner" });
    refuseUnless(
      others.length === 0,
      "SUSPENDED",
      `${slice} stays suspended because of a revocation: ${others[0]?.reason}; kill it, or wait for whoever revoked it`,
    );
  }

  async kill(slice: string, reason: string): Promise<void> {
    const lease = findLease(this.#deps.store, { slice });
    await endForOwner(this.#deps, lease, { action: "lease killed", note: reason });
  }

  ban(name: string, reason: string): void {
    const { store, time } = this.#deps;
    const ban: Ban = { ...whoIsMeant(name), since: time.now(), reason };
    store.transaction((tx) => {
      if (store.bans.add(tx, ban)) this.#record(tx, `${ban.kind} banned`, `${name} ${reason}`.trim());
    });
  }

  /** Throws NO_SLICE where there is no such ban. */
  unban(name: string): void {
    const { store } = this.#deps;
    const who = whoIsMeant(name);
    store.transaction((tx) => {
      refuseUnless(
        store.bans.remove(tx, who),
        "NO_SLICE",
        `${name} is not banned here; see slicelab node bans`,
      );
      this.#record(tx, `${who.kind} ban taken back`, name);
    });
  }

  #record(tx: Parameters<Store["audit"]["record"]>[0], action: string, note: string): void {
    const { store, time } = this.#deps;
    const at = { atMilliseconds: time.milliseconds(), action, outcome: "done" };
    store.audit.record(tx, { ...at, peer: "owner", note });
  }
}

/** No slice's name looks like a key's. */
function whoIsMeant(name: string): Pick<Ban, "kind" | "name"> {
  if (/^[0-9a-f]{64}$/.test(name)) return { kind: "principal", name };
  if (isSliceName(name)) return { kind: "slice", name };
  throw new Fault(
    "BAD_NAME",
    `"${name.slice(0, 80)}" is neither the name of a slice nor that of a principal's key (64 hex digits, as slicelab node leases -o wide shows them)`,
  );
}
