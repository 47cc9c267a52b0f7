import type { KeyName, PublicKey } from "#shared/identity/key.ts";
import { refuseUnless } from "#shared/model/errors.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { Instant } from "#shared/model/time.ts";
import { claimedSigner, openRequest, type SliceRequest } from "#shared/wire/request-document.ts";
import type { Brought, Order } from "./order.ts";

/** What lets a broker ask in a principal's name: a request that principal signed. */
export type Mandate = {
  readonly principal: PublicKey;
  readonly broker: KeyName;
  readonly serial: string;
  readonly document: DocumentId;
  /** The most tickets it brings, over all calls: the nodes described, standbys included. */
  readonly described: number;
  readonly ends: Instant;
};

/** What has been done under a serial of a principal. */
export type MandateUse = {
  readonly document: DocumentId;
  readonly issued: number;
  readonly brought: Brought;
};

/** How many tickets of a request one call is about; absent: all that are left. */
export type Part = { readonly count?: number; readonly atleast?: number };

/**
 * Verifies a request with the key that is registered for its principal. Whether it may be acted on here and now is not
 * said yet: `checkPresented`. Throws NOT_PRINCIPAL, and what `openRequest` throws.
 */
export async function openMandate(
  text: string,
  keyOf: (principal: KeyName) => Promise<PublicKey | undefined>,
): Promise<{ mandate: Mandate; request: SliceRequest }> {
  const principal = await keyOf(claimedSigner(text));
  refuseUnless(
    principal,
    "NOT_PRINCIPAL",
    "this agent does not know the principal who signed the request; ask its administrator to add them",
  );
  const { id, request } = openRequest(text, principal);
  const { count, standby } = request.description.nodes;
  const { broker, serial, validTo } = request;
  const mandate = { principal, broker, serial, document: id, described: count + standby, ends: validTo };
  return { mandate, request };
}

/**
 * An order narrowed to the part of its request that a call is about, and to what the request has left, with what it has
 * brought already: so many calls get together only what one could have got. Throws
 * ALREADY_REDEEMED where that is too little, BAD_CHAIN where the serial stands for another request, MALFORMED where the
 * part makes no sense.
 */
export function narrowed(
  order: Order,
  { described, document }: Mandate,
  used: MandateUse,
  part: Part,
): Order {
  refuseUnless(
    used.document === document,
    "BAD_CHAIN",
    "the serial was used for another request; sign this one with a serial of its own",
  );
  const left = described - used.issued;
  const wanted = Math.min(order.count, part.count ?? order.count);
  const atLeast = part.atleast ?? Math.min(order.atLeast, wanted, Math.max(left, 1));
  refuseUnless(
    atLeast <= wanted,
    "MALFORMED",
    `gettickets: atleast is ${atLeast}, of ${wanted} tickets asked for; ask for no more than that`,
  );
  refuseUnless(
    atLeast <= left,
    "ALREADY_REDEEMED",
    `of the ${described} tickets of this request ${used.issued} were issued or given up, which leaves ${left}; sign another request for more`,
  );
  return { ...order, count: Math.min(wanted, left), atLeast, brought: used.brought };
}
