import { join } from "node:path";
import type { Log } from "#shared/runtime/log.ts";
import type { NodeManagerConfig } from "../config.ts";
import { type Engines, engineOf } from "../engines/engines.ts";
import type { Store } from "../store.ts";
import { type SshGateway, startSshGateway } from "./gateway.ts";
import { loadHostKey } from "./host-key.ts";

type GatewayNeeds = {
  readonly config: Pick<NodeManagerConfig, "host" | "ports" | "state">;
  readonly store: Store;
  readonly engines: Engines;
  readonly log: Log;
};

/** Opens the gateway to what is leased here: to slivers of leases that live and that nobody has suspended. */
export async function openGateway({ config, store, engines, log }: GatewayNeeds): Promise<SshGateway> {
  const living = (slice: string) => {
    const lease = store.leases.ofSlice(slice);
    return lease?.state === "live" && !store.suspensions.has(lease.serial) ? lease : undefined;
  };
  const backendOf = (id: string) => engineOf(engines, store.leases.ofSliver(id)!.engine);
  return await startSshGateway({
    host: config.host,
    port: config.ports.ssh,
    hostKey: await loadHostKey(join(config.state, "ssh-host-key")),
    keysOf(slice) {
      const lease = living(slice);
      return lease ? store.keys.ofLease(lease.serial) : [];
    },
    sliverOf(slice) {
      const lease = living(slice);
      return lease && { id: lease.sliver };
    },
    exec: (id, command) => backendOf(id).exec(id, command),
    connect: (id, host, port) => backendOf(id).connect?.(id, host, port),
    listen: (id, port) => backendOf(id).listen?.(id, port),
    log: (event, details) => log.info(details, event),
  });
}
