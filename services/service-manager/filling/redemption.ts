import { Fault } from "#shared/model/errors.ts";
import type { Lease } from "#shared/model/lease.ts";
import type { CallFailure } from "#shared/wire/xmlrpc/transport-error.ts";
import type { SliceJournal } from "../journal/slice-journal.ts";
import { addressOf } from "../journal/slice-record.ts";
import type { HeldTicket } from "../journal/slice-state.ts";
import { callOptions, type Effort } from "../network/fan-out.ts";
import type { Network } from "../network/network.ts";
import { acceptLease } from "./lease-acceptance.ts";

/**
 * Redeems a ticket at its node (WIRE.md §2, newleasevm). The lease is on our disk before its ticket is forgotten. Asking
 * again with the same ticket gets the same lease, so nothing needs to be known of earlier attempts. When the signal is
 * aborted before the answer came, the node may have made a sliver all the same. `publickey`: the slice's own SSH key, which is let in.
 */
export async function redeem(
  journal: SliceJournal,
  { held, publickey }: { readonly held: HeldTicket; readonly publickey: string },
  network: Network,
  effort: Pick<Effort, "signal" | "deadlineMs">,
): Promise<Lease> {
  const node = network.node(addressOf(journal.record, held.ticket.node));
  const text = await node.api.newleasevm({ ticketdata: held.text, publickey }, callOptions(effort));
  const key = node.key();
  const lease = acceptLease(text, key, held);
  effort.signal.throwIfAborted(); // nobody wants it any more
  await journal.keepLease(text, lease, key);
  await journal.forgetTicket(held.id);
  for (const more of journal.record.keys) {
    await node.api.addkey({ slice: lease.slice, key: more, lease_serial: lease.serial }, callOptions(effort));
  }
  return lease;
}

/**
 * What becomes of a ticket its node did not take. `keep`: the same call may succeed later, or nobody knows whether it
 * did. `spent`: this ticket never will, another for the same node may. `useless`: this node has no use for any.
 */
export type Fate = "keep" | "spent" | "useless";

export function fateAfter(failure: CallFailure): Fate {
  if (!(failure instanceof Fault) || failure.retryable) return "keep";
  switch (failure.name) {
    case "NO_CERTIFICATE":
    case "CERTIFICATE_EXPIRED":
    case "CERTIFICATE_REVOKED":
    case "WEAK_KEY":
    case "FOREIGN_CERTIFICATE":
    case "NO_PRIVILEGE":
    case "SUSPENDED":
    case "QUOTA":
    case "NOT_YET_VALID":
      return "keep";
    case "EXPIRED":
    case "ALREADY_REDEEMED":
      return "spent";
    default:
      return "useless";
  }
}
