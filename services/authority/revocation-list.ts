import type { SigningKey } from "#shared/identity/signature.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { isToBeSignedAgain, type RevocationList, type Revoked } from "#shared/model/revocation.ts";
import { readIfPresent, writeDurably } from "#shared/runtime/durable-file.ts";
import { claimedList, openRevocations, signNextList } from "#shared/wire/revocation-document.ts";
import type { RevokedRecord } from "./register.ts";

/** What the authority says of everybody whom it revoked, and where that lies for everybody to read. */
export type SignedRevocations = {
  readonly file: string;
  readonly document: string;
  readonly list: RevocationList;
};

/** How long a list is good for that is signed by hand: nobody wants to carry one about more often. */
export const LIST_DAYS = 90;
const DAY_SECONDS = 86_400;

/**
 * The list on the disk, if it says what the register does and is not half over. Otherwise a new one takes its place: of
 * the two the register is written first, so a list that was never finished is made up for here. Callers exclude each
 * other by a lock.
 */
export async function currentRevocations(
  file: string,
  key: SigningKey,
  revoked: readonly Revoked[],
  { now, goodDays }: { readonly now: Date; readonly goodDays: number },
): Promise<SignedRevocations> {
  const text = (await readIfPresent(file))?.toString("utf8");
  const last = text === undefined ? undefined : ownList(file, text, key);
  const at = Math.floor(now.getTime() / 1000);
  const seconds = goodDays * DAY_SECONDS;
  const saysAll = last?.revoked.length === revoked.length; // nothing is ever taken out
  if (text !== undefined && last && saysAll && !isToBeSignedAgain(last, at, seconds))
    return { file, document: text, list: last };
  const { document, list } = signNextList(key, "authority", { last, at, seconds, revoked });
  await writeDurably(file, document, 0o644);
  return { file, document, list };
}

/** A list of an authority that was here before, with another key, counts for nothing. */
function ownList(file: string, text: string, { public: key }: SigningKey): RevocationList | undefined {
  try {
    return claimedList(text).signer === key.name ? openRevocations(text, key, "authority").list : undefined;
  } catch (cause) {
    throw new OperatorError(`${file} is damaged; remove it: a new list is made of the register`, { cause });
  }
}

/** What the register has of a key, as a list says it. */
export function revocationOf({ key, revokedAt }: RevokedRecord): Revoked {
  return { kind: "key", id: key, since: Math.floor(Date.parse(revokedAt) / 1000) };
}
