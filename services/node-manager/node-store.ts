import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Identity } from "#shared/identity/identity.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Host } from "#shared/runtime/lifecycle.ts";
import type { NodeManagerConfig } from "./config.ts";
import { openStore, type Store } from "./store.ts";

export type StoreNeeds = {
  readonly identity: Identity;
  readonly clock: Clock;
  readonly fail: Host["fail"];
};

/** The node's store, which stays locked until it is disposed of. */
export async function openNodeStore(
  config: Pick<NodeManagerConfig, "state">,
  { identity, clock, fail }: StoreNeeds,
): Promise<Store> {
  await mkdir(config.state, { recursive: true, mode: 0o700 });
  const path = join(config.state, "node.sqlite");
  return await openStore({ path, nodeKey: identity.signingKey.public, now: clock.now(), onFailure: fail });
}
