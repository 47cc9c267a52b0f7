import { refuseUnless } from "#shared/model/errors.ts";
import { parseInstant } from "#shared/model/time.ts";
import { MAX_LISTED } from "#shared/wire/administration-api.ts";
import { findPrincipal } from "../../store/registry/principals.ts";
import { allQuotas } from "../../store/registry/quotas.ts";
import { allPrivileges } from "../../store/registry/registry.ts";
import { type AdministeredBooks, done, officeOf, told } from "../office.ts";
import { removeQuota, setQuota, type Whose } from "../quota.ts";
import { registryOf } from "../registry.ts";
import { limitsOf, limitsStruct, privilegeStruct } from "../struct.ts";
import type { Acts } from "./acts.ts";

type AllowanceActs = Pick<
  Acts,
  "grantprivilege" | "withdrawprivilege" | "listprivileges" | "setquota" | "removequota" | "listquotas"
>;

/** What principals may have, each and together. */
export function allowanceActs(books: AdministeredBooks): AllowanceActs {
  return {
    grantprivilege: ({ principal, ...terms }, call) =>
      told(
        registryOf(books, call).grant(principal, {
          sliceType: terms.type ?? "conventional",
          maxNodes: terms.nodes,
          maxLeaseSeconds: terms.lease_seconds,
          maxRenewableSeconds: terms.renewable_seconds ?? 2 * terms.lease_seconds,
          capabilities: [...new Set(terms.capabilities ?? [])],
          validTo: terms.validto_time === undefined ? undefined : parseInstant(terms.validto_time),
        }),
      ),
    withdrawprivilege: ({ id }, call) => done(registryOf(books, call).withdraw(id)),
    listprivileges: async ({ principal, after = 0, limit = MAX_LISTED }, call) => {
      const privileges = await officeOf(books, call).read(async (tx) => {
        const one = principal === undefined ? undefined : await findPrincipal(tx, principal);
        refuseUnless(principal === undefined || one, "MALFORMED", `there is no principal "${principal}"`);
        return (await allPrivileges(tx)).filter(({ label }) => !one || label === one.label);
      });
      const sorted = privileges.filter(({ id }) => id > after).toSorted((a, b) => a.id - b.id);
      return sorted.slice(0, limit).map(privilegeStruct);
    },
    setquota: ({ principal, site, ...limits }, call) =>
      done(setQuota(officeOf(books, call), whoseOf({ principal, site }), limitsOf(limits))),
    removequota: (whose, call) => done(removeQuota(officeOf(books, call), whoseOf(whose))),
    listquotas: async (_, call) => {
      const quotas = await officeOf(books, call).read(allQuotas);
      return quotas.map(({ principal = null, site = null, limits }) => ({
        ...{ principal, site },
        ...limitsStruct(limits),
      }));
    },
  };
}

function whoseOf({ principal, site }: { principal?: string; site?: string }): Whose {
  refuseUnless(
    (principal === undefined) !== (site === undefined),
    "MALFORMED",
    "a quota is a principal's or a site's; name one of them",
  );
  return principal === undefined ? { site: site! } : { principal };
}
