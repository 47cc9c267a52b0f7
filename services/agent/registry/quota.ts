import type { KeyName } from "#shared/identity/key.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { deleteQuota, lockMembers, type QuotaOf, upsertQuota } from "../store/registry/quotas.ts";
import type { Limits } from "./limits.ts";
import type { Office } from "./office.ts";
import { nameOf } from "./registry.ts";

/** Whose quota: a principal's, by its name here or that of its key, or a site's. */
export type Whose = { readonly principal: string } | { readonly site: string };

/** Replaces the quota, if there was one. Tickets that are being issued come before it or count under it. */
export async function setQuota(office: Office, whose: Whose, limits: Limits): Promise<void> {
  if (Object.values(limits).every((limit) => limit === undefined))
    throw new OperatorError("say what is limited; to limit nothing, remove the quota");
  await office.act("set quota", { ...whose, ...limits }, async (tx) => {
    const of = await quotaOf(whose, (name) => nameOf(tx, name));
    if (!(await lockMembers(tx, of))) throw new OperatorError("there is no such site; add it first");
    await upsertQuota(tx, of, limits);
  });
}

export async function removeQuota(office: Office, whose: Whose): Promise<void> {
  await office.act("remove quota", whose, async (tx) => {
    const of = await quotaOf(whose, (name) => nameOf(tx, name));
    if (!(await deleteQuota(tx, of))) throw new OperatorError("there is no such quota");
  });
}

async function quotaOf(whose: Whose, named: (name: string) => Promise<KeyName>): Promise<QuotaOf> {
  return "site" in whose ? whose : { principal: await named(whose.principal) };
}
