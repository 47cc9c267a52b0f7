import type { Peer } from "#shared/identity/tls.ts";
import { type EndingDeps, endRevokedLeases } from "./ending.ts";
import type { OwnList } from "./own-list.ts";

export type RevocationDeps = EndingDeps & { readonly ownList: OwnList };

export type PostedRevocations = {
  readonly peer: Peer;
  readonly list: string;
};

/**
 * Goes by a list that somebody brings: whose leases end is decided, durably, before this is answered. The same list again
 * is answered the same, and nothing is kept of it: anybody with a certificate may bring one, as often as they like.
 */
export function postRevocations(deps: RevocationDeps, { peer, list }: PostedRevocations): 1 {
  if (deps.revocations.take(list, peer)) endRevokedLeases(deps);
  return 1;
}

/** Lists that the node goes by, and its own, without those that whoever asks has. */
export function tellRevocations(
  { revocations, ownList }: RevocationDeps,
  since: readonly string[],
): string[] {
  const own = ownList.current();
  const ownText = own && !since.includes(own.id) ? [own.document] : [];
  return [...ownText, ...revocations.documents(since)];
}
