import { allPrincipals } from "../../store/registry/principals.ts";
import { allSites } from "../../store/registry/registry.ts";
import { type AdministeredBooks, done, officeOf, told } from "../office.ts";
import { registryOf } from "../registry.ts";
import type { Acts } from "./acts.ts";
import { pageOf } from "./page.ts";

type PeopleActs = Pick<
  Acts,
  "addsite" | "listsites" | "addprincipal" | "listprincipals" | "setrole" | "suspend" | "resume"
>;

export function peopleActs(books: AdministeredBooks): PeopleActs {
  return {
    addsite: ({ site }, call) => done(registryOf(books, call).addSite(site)),
    listsites: async ({ after, limit }, call) => {
      const sites = await officeOf(books, call).read(allSites);
      const page = pageOf(sites, (one) => one.name, after, limit);
      return page.map(({ name, ...counts }) => ({ site: name, ...counts }));
    },
    addprincipal: ({ name, ...principal }, call) =>
      told(registryOf(books, call).addPrincipal({ label: name, ...principal })),
    listprincipals: async ({ after, limit }, call) => {
      const principals = await officeOf(books, call).read(allPrincipals);
      return pageOf(principals, (one) => one.label, after, limit).map((one) => ({
        ...{ principal: one.name, name: one.label, role: one.role, site: one.site },
        ...{ suspended: one.suspended, revoked: one.revoked },
      }));
    },
    setrole: ({ principal, role }, call) => done(registryOf(books, call).setRole(principal, role)),
    suspend: ({ principal }, call) => done(registryOf(books, call).suspend(principal, true)),
    resume: ({ principal }, call) => done(registryOf(books, call).suspend(principal, false)),
  };
}
