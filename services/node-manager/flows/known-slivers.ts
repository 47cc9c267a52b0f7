import type { SliverId } from "../backends/backend.ts";
import type { Engines } from "../engines/engines.ts";
import type { NodeTime } from "../node-time.ts";
import type { FlowParty } from "../store/flow-records.ts";
import type { Store } from "../store.ts";
import type { Connection } from "./connection.ts";

type KnownSliversDeps = {
  readonly store: Pick<Store, "leases">;
  readonly engines: Engines;
  readonly time: Pick<NodeTime, "now">;
};

/** What slivers have: addresses of our own networks and of Docker's (RFC 1918). */
const PRIVATE = /^(10|192\.168|172\.(1[6-9]|2\d|3[01]))\./;

/** How long a sliver is known by an address that it has no more: news of it may come late. */
const REMEMBERED_SECONDS = 60;

/** Which sliver has which address now, or had it a moment ago, and whose it is. */
export class KnownSlivers {
  readonly #deps: KnownSliversDeps;
  readonly #byAddress = new Map<string, { sliver: SliverId; until: number }>();
  readonly #parties = new Map<SliverId, FlowParty>();

  constructor(deps: KnownSliversDeps) {
    this.#deps = deps;
  }

  /** Whether any engine has its slivers in the node's own network. */
  tell(): boolean {
    return this.#deps.engines.some((engine) => engine.addresses?.() !== undefined);
  }

  look(): void {
    const { engines, store, time } = this.#deps;
    const now = time.now();
    for (const [address, { until }] of this.#byAddress) if (until < now) this.#byAddress.delete(address);
    for (const engine of engines) {
      for (const [address, sliver] of engine.addresses?.() ?? []) {
        this.#byAddress.set(address, { sliver, until: now + REMEMBERED_SECONDS });
        if (this.#parties.has(sliver)) continue;
        const lease = store.leases.ofSliver(sliver);
        if (lease)
          this.#parties.set(sliver, { slice: lease.slice, principal: lease.principal, lease: lease.serial });
      }
    }
    const living = this.ids();
    for (const sliver of this.#parties.keys()) if (!living.has(sliver)) this.#parties.delete(sliver);
  }

  at(address: string): SliverId | undefined {
    return this.#byAddress.get(address)?.sliver;
  }

  /** Cheap, since the machine's other connections are told too, and before anybody is asked whose an address is. */
  concerns({ original, reply }: Connection): boolean {
    return PRIVATE.test(original.from) || PRIVATE.test(reply.from);
  }

  party(sliver: SliverId): FlowParty | undefined {
    return this.#parties.get(sliver);
  }

  ids(): Set<SliverId> {
    return new Set([...this.#byAddress.values()].map(({ sliver }) => sliver));
  }
}
