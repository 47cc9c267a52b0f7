import type { Identity } from "#shared/identity/identity.ts";
import type { Log } from "#shared/runtime/log.ts";
import { dispatcher } from "#shared/wire/xmlrpc/dispatch.ts";
import type { NodeManagerConfig } from "../config.ts";
import type { WhoDeps } from "../flows/who.ts";
import type { OwnerDeps } from "./owner-acts.ts";
import { ownerApi } from "./owner-api.ts";
import { ownerHandlers } from "./owner-handlers.ts";
import { type Answers, listenToOwner } from "./owner-socket.ts";

export type OwnersDoorDeps = OwnerDeps &
  WhoDeps & {
    readonly identity: Identity;
    readonly config: Pick<NodeManagerConfig, "state">;
    readonly log: Log;
  };

/** Answers the owner's calls, as whoever has the machine: that is who has the node's own key. */
export function ownersAnswers(deps: Omit<OwnersDoorDeps, "config">): Answers {
  const { identity, log, time } = deps;
  const key = identity.signingKey;
  const owner = { name: key.public.name, sha1: key.public.sha1, key: key.public };
  const dispatch = dispatcher(ownerApi, ownerHandlers({ ...deps, key }), { clock: time, log });
  return (call) => dispatch(call, owner);
}

/** Opens it for as long as the node manager serves. */
export async function openOwnersDoor(deps: OwnersDoorDeps, parts: AsyncDisposableStack): Promise<void> {
  const door = await listenToOwner(deps.config.state, ownersAnswers(deps), deps.log);
  if (door) parts.use(door);
}
