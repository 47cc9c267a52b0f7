import { Fault } from "#shared/model/errors.ts";
import type { Lease } from "#shared/model/lease.ts";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import { claimedList, openRevocations } from "#shared/wire/revocation-document.ts";
import type { CallOptions } from "#shared/wire/xmlrpc/client.ts";
import { isCallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import type { NodeConnection } from "../network/network.ts";
import { isGone } from "../tickets/ticket-disposal.ts";

/** By the node's own signed word: its owner ended the lease before its time. */
export class OwnersEnding extends Fault {
  constructor(since: Instant) {
    super(
      "REVOKED",
      `its node's owner ended the lease at ${formatInstant(since)} UTC, and what was in the sliver is gone; slice repair puts another node in its place`,
    );
  }
}

/**
 * How a node says that the sliver of a lease is. Throws OwnersEnding in place of NO_SLICE where the node's signed list names
 * the lease, and whatever else the call fails with.
 */
export async function statusOf(node: NodeConnection, { slice, serial }: Lease, options: CallOptions) {
  try {
    return await node.api.getstatus({ slice }, options);
  } catch (error) {
    if (!isGone(error)) throw error;
    throw (await ownersEnding(node, serial, options)) ?? error;
  }
}

async function ownersEnding(
  { api, key }: NodeConnection,
  serial: string,
  options: CallOptions,
): Promise<OwnersEnding | undefined> {
  try {
    const lists = await api.getrevocations({}, options);
    const own = lists.find((list) => claimedList(list).signer === key().name);
    const named = own && openRevocations(own, key(), "node").list.revoked.find(({ id }) => id === serial);
    return named ? new OwnersEnding(named.since) : undefined;
  } catch (error) {
    if (!isCallFailure(error)) throw error; // a node of before does not tell; one that lies says no more than it did
    return undefined;
  }
}
