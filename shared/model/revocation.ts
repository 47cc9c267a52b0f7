import { Fault, refuseUnless } from "./errors.ts";
import type { DocumentId } from "./ticket.ts";
import { CLOCK_SLACK, formatInstant, type Instant } from "./time.ts";

/** Who may sign a list of what is revoked. */
export type RevocationSigner = "authority" | "agent" | "node";

/**
 * What a list can name. A key: whoever holds it is nobody any more. A principal: nothing its agent issued is for it. A
 * ticket or holding, by its identity. A lease, by its serial, since renewals change its identity.
 */
export const REVOKED_KINDS = ["key", "principal", "ticket", "lease"] as const;
export type RevokedKind = (typeof REVOKED_KINDS)[number];

/** What each signer decides about, and so may name (WIRE.md §1, Revocations). */
export const MAY_REVOKE: Readonly<Record<RevocationSigner, readonly RevokedKind[]>> = {
  authority: ["key"],
  agent: ["principal", "ticket"],
  node: ["lease"],
};

export type Revoked = {
  readonly kind: RevokedKind;
  /** 64 hex digits; of a lease the 32 of its serial. */
  readonly id: string;
  readonly since: Instant;
};

/**
 * Everything a signer has revoked so far. What was named once stays named for as long as anything it concerns could be
 * valid; of two lists of a signer the one with the higher number counts.
 */
export type RevocationList = {
  /** Its signer's key. */
  readonly issuer: string;
  readonly number: number;
  readonly at: Instant;
  /** By when its signer will have signed another, whether it revoked more or not. Absent: it promises nothing. */
  readonly nextUpdate?: Instant;
  /** In the order of their kinds and ids, none twice. */
  readonly revoked: readonly Revoked[];
};

/** A list as it is compared with others: by its number, and by what it is. */
export type NumberedList = { readonly id: DocumentId; readonly number: number };

/**
 * Whether a list says more than the one held of the same signer. False: it is that very list. Throws EXPIRED for one
 * that was replaced, BAD_CHAIN for another list of the same number: its signer said two things at once, and only the
 * first counts.
 */
export function isNews(held: NumberedList | undefined, offered: NumberedList): boolean {
  if (!held || offered.number > held.number) return true;
  if (offered.id === held.id) return false;
  refuseUnless(
    offered.number === held.number,
    "EXPIRED",
    `the list of revocations number ${offered.number} was replaced by number ${held.number}; send the latest`,
  );
  throw new Fault(
    "BAD_CHAIN",
    `there are two lists of revocations number ${held.number} of one signer; the first is kept: ask the signer for one with a higher number`,
  );
}

/**
 * The number of the next list: higher than the last, and rising with time, so that a signer whose books were restored
 * from a copy does not use a number again.
 */
export function nextListNumber(last: number | undefined, now: Instant): number {
  return Math.max((last ?? 0) + 1, now);
}

/**
 * Whether its signer was to have signed another by now: then somebody may be holding that one back. What it says goes on
 * being true, since nothing is ever taken off a list.
 */
export function isOverdue({ nextUpdate }: Pick<RevocationList, "nextUpdate">, now: Instant): boolean {
  return nextUpdate !== undefined && now >= nextUpdate + CLOCK_SLACK;
}

/** Whether its signer is to sign another although it revoked no more: half of `seconds`, what a list is good for, is over. */
export function isToBeSignedAgain(
  { at, nextUpdate }: Pick<RevocationList, "at" | "nextUpdate">,
  now: Instant,
  seconds: number,
): boolean {
  return nextUpdate === undefined || now >= Math.min(nextUpdate, at + seconds / 2);
}

/** What those are told who go by a list that is overdue, and cannot know what is being kept from them. */
export function overdueConcern({ signer, list: { issuer, at, nextUpdate = at } }: SignedList): string {
  const from = `the list of revocations of the ${signer} ${issuer.slice(0, 12)}…`;
  const told = `is of ${formatInstant(at)} UTC, and another was due by ${formatInstant(nextUpdate)} UTC`;
  return `${from} ${told}: what was revoked since may not be known here; ${NEXT_LIST[signer]}`;
}

const NEXT_LIST: Readonly<Record<RevocationSigner, string>> = {
  authority:
    "have its operator see that it serves, or sign another (slicelab authority revocations) and publish it (slicelab admin revocation publish)",
  agent: "see that the agent runs and can be reached",
  node: "see that the node runs and can be reached",
};

/** One link of a chain of tickets, the root's first, as far as revoking is about it. */
export type RevocableLink = {
  readonly id: DocumentId;
  /** The identity key of whoever issued it, as far as that is known. */
  readonly signer: string | undefined;
  /** Keys it is signed with, for, or held by. */
  readonly keys: readonly string[];
};

/** Why a chain is worth nothing any more. */
export type RevokedBy = { readonly signer: string; readonly revoked: Revoked };

/** A list that is gone by, and what its signer is. */
export type SignedList = { readonly signer: RevocationSigner; readonly list: RevocationList };

/**
 * What revokes a chain, if anything does. An authority's list is about every key in it; an agent's about what that agent
 * issued and everything beneath, and about nothing above.
 */
export function revocationOf(
  chain: readonly RevocableLink[],
  lists: Iterable<SignedList>,
): RevokedBy | undefined {
  for (const { signer, list } of lists) {
    const bound = signer === "authority" ? chain : issuedBy(chain, list.issuer);
    const named = new Set(bound.flatMap(({ id, keys }) => [id, ...keys]));
    const revoked = list.revoked.find(({ id }) => named.has(id));
    if (revoked) return { signer: list.issuer, revoked };
  }
  return undefined;
}

function issuedBy(chain: readonly RevocableLink[], issuer: string): readonly RevocableLink[] {
  const first = chain.findIndex(({ signer }) => signer === issuer);
  return first === -1 ? [] : chain.slice(first);
}

/** Throws REVOKED for a chain that one of these lists is about. */
export function refuseRevoked(chain: readonly RevocableLink[], lists: Iterable<SignedList>): void {
  const found = revocationOf(chain, lists);
  if (found) throw revokedFault(found);
}

/** What whoever uses a ticket or lease that is revoked is told. */
export function revokedFault({ signer, revoked: { kind, id } }: RevokedBy): Fault {
  return new Fault(
    "REVOKED",
    `the ${kind} ${id.slice(0, 12)}… was revoked by ${signer.slice(0, 12)}…, and what stands on it; ask for a ticket that does not`,
  );
}
