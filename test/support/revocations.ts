import type { SigningKey } from "#shared/identity/signature.ts";
import type { RevocationList, Revoked, RevokedKind } from "#shared/model/revocation.ts";
import { sealRevocations } from "#shared/wire/revocation-document.ts";
import { NOW } from "./documents.ts";

/** What a list names, by kind. */
export type Named = Partial<Readonly<Record<RevokedKind, readonly string[]>>>;

/** A signed list, right by itself, whoever signs it. */
export function revocationsBy(
  signer: SigningKey,
  number: number,
  named: Named,
  terms: Partial<Pick<RevocationList, "at" | "nextUpdate">> = {},
): string {
  const revoked = Object.entries(named).flatMap(([kind, ids]) =>
    ids.map((id): Revoked => ({ kind: kind as RevokedKind, id, since: NOW })),
  );
  return sealRevocations({ issuer: signer.public.name, number, at: NOW, ...terms, revoked }, signer);
}
