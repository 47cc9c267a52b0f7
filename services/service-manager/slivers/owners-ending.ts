import { Fault } from "#shared/model/errors.ts";
import { formatInstant } from "#shared/model/time.ts";
import { claimedList, openRevocations } from "#shared/wire/revocation-document.ts";
import type { CallOptions } from "#shared/wire/xmlrpc/client.ts";
import { type CallFailure, isCallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import type { NodeConnection } from "../network/network.ts";

/**
 * Why a node knows nothing of a lease that is not over: where its own signed list says that its owner ended it, that;
 * else the failure as it was.
 */
export async function ownersEnding(
  { api, key }: NodeConnection,
  serial: string,
  failure: CallFailure,
  options: CallOptions,
): Promise<CallFailure> {
  if (!(failure instanceof Fault && failure.name === "NO_SLICE")) return failure;
  try {
    const lists = await api.getrevocations({}, options);
    const own = lists.find((list) => claimedList(list).signer === key().name);
    const named = own && openRevocations(own, key(), "node").list.revoked.find(({ id }) => id === serial);
    if (!named) return failure;
    const since = formatInstant(named.since);
    return new Fault(
      "REVOKED",
      `its node's owner ended the lease at ${since} UTC, and what was in the sliver is gone; slice repair puts another node in its place`,
    );
  } catch (error) {
    if (!isCallFailure(error)) throw error; // a node of before does not tell; one that lies says no more than it did
    return failure;
  }
}
