import type { KeyName } from "#shared/identity/key.ts";
import { Fault } from "#shared/model/errors.ts";
import { formatInstant } from "#shared/model/time.ts";
import type { Store } from "../store.ts";

/** Whose lease it would be, and who asks for it. */
export type BanQuestion = { readonly slice: string; readonly principals: readonly KeyName[] };

/** Throws SUSPENDED where the node's owner has banned the slice or one of the principals. */
export function checkNotBanned({ bans }: Pick<Store, "bans">, { slice, principals }: BanQuestion): void {
  const ban =
    bans.find({ kind: "slice", name: slice }) ??
    principals.map((name) => bans.find({ kind: "principal", name })).find((found) => found !== undefined);
  if (!ban) return;
  const whom = ban.kind === "slice" ? `the slice ${slice}` : `the principal ${ban.name.slice(0, 12)}…`;
  const why = ban.reason === "" ? "" : ` (${ban.reason})`;
  throw new Fault(
    "SUSPENDED",
    `this node's owner has banned ${whom} since ${formatInstant(ban.since)} UTC${why}; use other nodes, or ask the owner`,
  );
}
