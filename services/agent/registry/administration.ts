import { OperatorError, refuseUnless } from "#shared/model/errors.ts";
import { formatInstant, type Instant, parseInstant } from "#shared/model/time.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database, Tx } from "#shared/runtime/database.ts";
import { type administrationApi, MAX_LISTED } from "#shared/wire/administration-api.ts";
import type { Handlers } from "#shared/wire/xmlrpc/dispatch.ts";
import { chainedRows, chainHeads, latestHead } from "../store/audit/chain.ts";
import { allPrincipals, findPrincipal } from "../store/registry/principals.ts";
import { allQuotas } from "../store/registry/quotas.ts";
import { allNodes, allPrivileges, allSites, type RegisteredNode } from "../store/registry/registry.ts";
import { membershipOf } from "../store/registry/slice-members.ts";
import { sliceNames } from "../store/registry/slice-names.ts";
import type { AuditChain } from "./audit-chain.ts";
import { addMember, removeMember } from "./membership.ts";
import { callingAdministrator, done, Office, told } from "./office.ts";
import { transferSlice } from "./ownership.ts";
import { removeQuota, setQuota, type Whose } from "./quota.ts";
import { Registry } from "./registry.ts";
import { drainNode, overbookNode, resumeNode, retireNode } from "./standing.ts";
import { limitsOf, limitsStruct, privilegeStruct } from "./struct.ts";

type Parts = { readonly database: Database; readonly clock: Clock; readonly chain: AuditChain };
type AdministrationHandlers = Omit<
  Handlers<typeof administrationApi>,
  "revokeprincipal" | "revoketicket" | "listrevocations"
>;
type CallOf = Parameters<AdministrationHandlers["addsite"]>[1];

/** Thin handlers: each is one act of the calling administrator. */
export function administrationHandlers({ database, clock, chain }: Parts): AdministrationHandlers {
  const office = (call: CallOf) => new Office(database, clock, callingAdministrator(call));
  const registry = (call: CallOf) => new Registry(database, clock, callingAdministrator(call));
  /** A chain that cannot go on is read as it is: whoever reads it is to see where it breaks. */
  async function extended(): Promise<void> {
    try {
      await chain.extend();
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
    }
  }
  /** Reads of the audit, with everything in the chain that was written before. */
  async function chained<T>(reading: Office, read: (tx: Tx) => Promise<T>): Promise<T> {
    await reading.read(async () => undefined);
    await extended();
    return await reading.read(read);
  }
  return {
    addsite: ({ site }, call) => done(registry(call).addSite(site)),
    listsites: async ({ after, limit }, call) => {
      const sites = await office(call).read(allSites);
      const page = pageOf(sites, (one) => one.name, after, limit);
      return page.map(({ name, ...counts }) => ({ site: name, ...counts }));
    },
    addprincipal: ({ name, ...principal }, call) =>
      told(registry(call).addPrincipal({ label: name, ...principal })),
    listprincipals: async ({ after, limit }, call) => {
      const principals = await office(call).read(allPrincipals);
      return pageOf(principals, (one) => one.label, after, limit).map((one) => ({
        ...{ principal: one.name, name: one.label, role: one.role, site: one.site },
        ...{ suspended: one.suspended, revoked: one.revoked },
      }));
    },
    setrole: ({ principal, role }, call) => done(registry(call).setRole(principal, role)),
    suspend: ({ principal }, call) => done(registry(call).suspend(principal, true)),
    resume: ({ principal }, call) => done(registry(call).suspend(principal, false)),
    grantprivilege: ({ principal, ...terms }, call) =>
      told(
        registry(call).grant(principal, {
          sliceType: terms.type ?? "conventional",
          maxNodes: terms.nodes,
          maxLeaseSeconds: terms.lease_seconds,
          maxRenewableSeconds: terms.renewable_seconds ?? 2 * terms.lease_seconds,
          capabilities: [...new Set(terms.capabilities ?? [])],
          validTo: terms.validto_time === undefined ? undefined : parseInstant(terms.validto_time),
        }),
      ),
    withdrawprivilege: ({ id }, call) => done(registry(call).withdraw(id)),
    listprivileges: async ({ principal, after = 0, limit = MAX_LISTED }, call) => {
      const privileges = await office(call).read(async (tx) => {
        const one = principal === undefined ? undefined : await findPrincipal(tx, principal);
        refuseUnless(principal === undefined || one, "MALFORMED", `there is no principal "${principal}"`);
        return (await allPrivileges(tx)).filter(({ label }) => !one || label === one.label);
      });
      const sorted = privileges.filter(({ id }) => id > after).toSorted((a, b) => a.id - b.id);
      return sorted.slice(0, limit).map(privilegeStruct);
    },
    setquota: ({ principal, site, ...limits }, call) =>
      done(setQuota(office(call), whoseOf({ principal, site }), limitsOf(limits))),
    removequota: (whose, call) => done(removeQuota(office(call), whoseOf(whose))),
    listquotas: async (_, call) => {
      const quotas = await office(call).read(allQuotas);
      return quotas.map(({ principal = null, site = null, limits }) => ({
        ...{ principal, site },
        ...limitsStruct(limits),
      }));
    },
    acceptnode: ({ name, ...node }, call) =>
      told(registry(call).addNode({ ...node, label: name ?? node.ip })),
    listnodes: async ({ after, limit }, call) => {
      const nodes = await office(call).read(allNodes);
      return pageOf(nodes, (one) => one.label, after, limit).map((one) => ({
        ...{ node: one.node, name: one.label, ip: one.ip, site: one.site, state: stateOf(one) },
        ...{ overbooking: one.overbooking, heard: timeOrNull(one.heard) },
      }));
    },
    drainnode: ({ node }, call) => done(drainNode(office(call), node)),
    resumenode: ({ node }, call) => done(resumeNode(office(call), node)),
    retirenode: ({ node }, call) => done(retireNode(office(call), node)),
    overbooknode: ({ node, overbooking }, call) => done(overbookNode(office(call), node, overbooking)),
    listslices: async ({ after = "", limit = MAX_LISTED }, call) => {
      const names = await office(call).read((tx) => sliceNames(tx, after, limit, call.now));
      return names.map(({ name: slice, label: name, owner, since, nodes }) => ({
        ...{ slice, owner, name, nodes },
        since: formatInstant(since),
      }));
    },
    getaudit: async ({ after = 0, limit = MAX_LISTED, who }, call) => {
      const rows = await chained(office(call), (tx) => chainedRows(tx, { after, limit, who }));
      return rows.map(({ label, ...row }) => ({ ...row, name: label }));
    },
    getauditheads: async ({ after = 0, limit = MAX_LISTED, latest }, call) => {
      const heads = await chained(office(call), async (tx) =>
        latest ? [await latestHead(tx)].filter((head) => head !== undefined) : chainHeads(tx, after, limit),
      );
      return heads.map((head) => ({ ...head, signature: head.signature.toString("base64") }));
    },
    addmember: ({ slice, principal }, call) => done(addMember(office(call), slice, principal)),
    removemember: ({ slice, principal }, call) => done(removeMember(office(call), slice, principal)),
    listmembers: async ({ slice }, call) => {
      const membership = await office(call).read((tx) => membershipOf(tx, slice, clock.now()));
      refuseUnless(membership, "NO_SLICE", `a slice called ${slice} does not exist here`);
      const { owner, members } = membership;
      return [owner, ...members].map((principal) => ({ principal, owner: principal === owner }));
    },
    transferslice: ({ slice, principal }, call) => done(transferSlice(office(call), slice, principal)),
  };
}

/** A part of a list in the order of names, which is that of their characters. */
function pageOf<T>(rows: readonly T[], name: (row: T) => string, after = "", limit = MAX_LISTED): T[] {
  const following = rows.filter((row) => name(row) > after);
  return following.toSorted((a, b) => (name(a) < name(b) ? -1 : 1)).slice(0, limit);
}

function whoseOf({ principal, site }: { principal?: string; site?: string }): Whose {
  refuseUnless(
    (principal === undefined) !== (site === undefined),
    "MALFORMED",
    "a quota is a principal's or a site's; name one of them",
  );
  return principal === undefined ? { site: site! } : { principal };
}

function stateOf({ retired, drained, suspended }: RegisteredNode) {
  if (retired !== null) return "retired";
  if (suspended) return "suspended";
  return drained === null ? "serving" : "drained";
}

function timeOrNull(instant: Instant | null): string | null {
  return instant === null ? null : formatInstant(instant);
}
