import type { Peer } from "#shared/identity/tls.ts";
import type { Replay } from "#shared/wire/xmlrpc/replay.ts";
import { type EndingDeps, endRevokedLeases } from "./ending.ts";

export type RevocationDeps = EndingDeps;

export type PostedRevocations = {
  readonly peer: Peer;
  readonly list: string;
  readonly replay?: Replay;
};

const DAY = 86_400;

/** Goes by a list that somebody brings: whose leases end is decided, durably, before this is answered. */
export function postRevocations(deps: RevocationDeps, { peer, list, replay }: PostedRevocations): 1 {
  const { store, revocations, time } = deps;
  if (revocations.take(list, peer)) endRevokedLeases(deps);
  replay?.remember(1, time.now() + DAY, (kept) => store.transaction((tx) => store.replies.keep(tx, kept)));
  return 1;
}
