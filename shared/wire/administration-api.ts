import { z } from "zod";
import { CAPABILITIES } from "../model/capability.ts";
import { contract, method } from "./xmlrpc/contract.ts";

/**
 * What administrators of an agent can ask of it, at the port where it takes calls over TLS: who is known, what each may
 * have, which nodes are accepted. Who is no administrator when a change is made is refused, and that is in the audit.
 */

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "must be a SHA-256 in 64 lower-case hex digits");
const name = z.string().min(1).max(64);
const called = name.describe("its name at the agent, or the SHA-256 of its key");
const site = name;
const certificate = z.string().max(16_384).describe("PEM, for the key in it and nothing else");
const time = z.string().describe("YYYY-MM-DD HH:MM:SS in UTC");
const amount = z.int().min(0).max(999_999_999_999);
const positive = z.int().min(1).max(999_999_999_999);
const role = z.enum(["researcher", "pi", "administrator", "agent"]);
const sliceType = z.enum(["conventional", "administrative"]);
const done = z.literal(1);

/** The most that one list has; `after` asks for what follows. */
export const MAX_LISTED = 1000;

const paged = { after: z.string().max(64).optional(), limit: z.int().min(1).max(MAX_LISTED).optional() };
const byId = { after: amount.optional(), limit: z.int().min(1).max(MAX_LISTED).optional() };

/** What a quota limits; what is absent is not limited. */
const limits = {
  slices: amount.optional(),
  nodes: amount.optional().describe("of one slice"),
  lease_seconds: amount.optional(),
  slivers: amount.optional().describe("together, as what follows"),
  cpu_millis: amount.optional(),
  memory_mib: amount.optional(),
  disk_mib: amount.optional(),
  egress_kbps: amount.optional(),
};
const whose = { principal: called.optional(), site: site.optional() };

const privilege = z.object({
  id: z.int(),
  principal: z.string(),
  type: sliceType,
  nodes: z.int(),
  lease_seconds: z.int(),
  renewable_seconds: z.int(),
  capabilities: z.array(z.string()),
  validto_time: time.nullable().describe("nil: until it is withdrawn"),
});

const acceptedNode = z.object({
  node: sha256,
  name: z.string(),
  ip: z.string(),
  site: z.string().nullable(),
  state: z.enum(["serving", "drained", "retired", "suspended"]),
  overbooking: z.int().nullable().optional().describe("per mille; nil: the agent's"),
  heard: time.nullable(),
});

export const administrationApi = contract({
  addsite: method({
    params: z.object({ site }),
    result: done,
    mutates: true,
    help: "Adds a site, where nodes and people belong.",
  }),
  listsites: method({
    params: z.object(paged),
    result: z.array(z.object({ site: z.string(), nodes: z.int(), principals: z.int() })),
    help: "Sites, with how many nodes and principals belong to each.",
  }),
  addprincipal: method({
    params: z.object({ name, role, certificate, site: site.optional() }),
    result: sha256,
    mutates: true,
    help: "Adds a person or service by its certificate, with the privileges of its role. Returns the name of its key.",
  }),
  listprincipals: method({
    params: z.object(paged),
    result: z.array(
      z.object({
        principal: sha256,
        name: z.string(),
        role: z.string(),
        site: z.string().nullable(),
        suspended: z.boolean(),
        revoked: z.boolean(),
      }),
    ),
    help: "Everybody this agent knows, in the order of their names.",
  }),
  setrole: method({
    params: z.object({ principal: called, role }),
    result: done,
    mutates: true,
    help: "Changes the role of a person or service; its privileges stay as they are.",
  }),
  suspend: method({
    params: z.object({ principal: called }),
    result: done,
    mutates: true,
    help: "Gives a principal, or a node, nothing new until it is resumed.",
  }),
  resume: method({
    params: z.object({ principal: called }),
    result: done,
    mutates: true,
    help: "Ends a suspension.",
  }),
  grantprivilege: method({
    params: z.object({
      principal: called,
      type: sliceType.optional(),
      nodes: z.int().min(1).max(1_000_000),
      lease_seconds: positive,
      renewable_seconds: positive.optional().describe("twice the lease where it is absent"),
      capabilities: z.array(z.enum(CAPABILITIES)).max(64).optional(),
      validto_time: time.optional(),
    }),
    result: z.int().describe("its number"),
    mutates: true,
    help: "Allows a principal slices of a type, on so many nodes each, for so long.",
  }),
  withdrawprivilege: method({
    params: z.object({ id: positive }),
    result: done,
    mutates: true,
    help: "Takes a privilege back: nothing more is issued under it.",
  }),
  listprivileges: method({
    params: z.object({ principal: called.optional(), ...byId }),
    result: z.array(privilege),
    help: "Privileges in the order of their numbers, of one principal or of all.",
  }),
  setquota: method({
    params: z.object({ ...whose, ...limits }),
    result: done,
    mutates: true,
    help: "Limits what a principal, or all of a site together, have at a time. It replaces the quota there was.",
  }),
  removequota: method({
    params: z.object(whose),
    result: done,
    mutates: true,
    help: "Ends a quota.",
  }),
  listquotas: method({
    params: z.object({}),
    result: z.array(z.object({ principal: z.string().nullable(), site: z.string().nullable(), ...limits })),
    help: "Every quota, those of sites first.",
  }),
  acceptnode: method({
    params: z.object({
      name: name.optional(),
      certificate,
      ip: z.string().max(64),
      site: site.optional(),
      latitude: z.number().optional(),
      longitude: z.number().optional(),
      country: z.string().optional(),
      region: z.string().optional(),
      tags: z.array(z.string().max(128)).max(32).optional(),
    }),
    result: sha256,
    mutates: true,
    help: "Accepts a node: takes the tickets it signs for resources of its own. Returns the name of its key.",
  }),
  listnodes: method({
    params: z.object(paged),
    result: z.array(acceptedNode),
    help: "Nodes that were accepted, in the order of their names.",
  }),
  drainnode: method({
    params: z.object({ node: called }),
    result: done,
    mutates: true,
    help: "Issues nothing new for a node, by its name, address or key; what there is goes on.",
  }),
  resumenode: method({
    params: z.object({ node: called }),
    result: done,
    mutates: true,
    help: "Ends draining, retirement or suspension of a node.",
  }),
  retirenode: method({
    params: z.object({ node: called }),
    result: done,
    mutates: true,
    help: "Lets a node go for good. Refused while tickets count there.",
  }),
  overbooknode: method({
    params: z.object({ node: called, overbooking: z.int().min(1000).max(10_000).optional() }),
    result: done,
    mutates: true,
    help: "Sets how much of what is held on a node is issued, per mille; without a factor it is the agent's. What is issued goes on.",
  }),
  listslices: method({
    params: z.object(paged),
    result: z.array(
      z.object({ slice: z.string(), owner: sha256, name: z.string(), since: time, nodes: z.int() }),
    ),
    help: "Slice names, whose each is, and on how many nodes it has tickets that count.",
  }),
  addmember: method({
    params: z.object({ slice: z.string(), principal: called }),
    result: done,
    mutates: true,
    help: "Makes somebody a member of a slice, who gets tickets for it as its owner does.",
  }),
  removemember: method({
    params: z.object({ slice: z.string(), principal: called }),
    result: done,
    mutates: true,
    help: "Puts somebody out of a slice: no more tickets for it, and nodes put them out of its leases.",
  }),
  listmembers: method({
    params: z.object({ slice: z.string() }),
    result: z.array(z.object({ principal: sha256, owner: z.boolean() })),
    help: "Whose a slice is, and who its members are.",
  }),
  transferslice: method({
    params: z.object({ slice: z.string(), principal: called }),
    result: done,
    mutates: true,
    help: "Makes the name of a slice another principal's, who gets tickets for it from then on, beside its members.",
  }),
  revokeprincipal: method({
    params: z.object({ principal: called }),
    result: sha256,
    mutates: true,
    help: "Has nothing more to do with a principal, for ever, and ends its leases at all nodes. Returns the name of its key.",
  }),
  revoketicket: method({
    params: z.object({ ticket: sha256 }),
    result: done,
    mutates: true,
    help: "Has a ticket of this agent, or a part of a holding that it handed on, never used again, and ends what stands on it.",
  }),
  listrevocations: method({
    result: z.array(
      z.object({
        signer: sha256,
        role: z.enum(["authority", "agent"]),
        number: z.int(),
        received: time,
        names: z.int(),
        nodes: z.int(),
        untold: z.array(z.string()),
      }),
    ),
    help: "The lists of what is revoked that this agent goes by, and which nodes have not said yet that they have them.",
  }),
  getaudit: method({
    params: z.object({ ...byId, who: sha256.or(z.literal("operator")).optional() }),
    result: z.array(
      z.object({
        position: z.int(),
        id: z.int(),
        at: z.string().describe("YYYY-MM-DD HH:MM:SS.ssssss in UTC"),
        who: z.string(),
        name: z.string().nullable(),
        method: z.string(),
        outcome: z.string().describe("ok, or the name of a fault"),
        detail: z.string().describe("JSON"),
        hash: sha256,
      }),
    ),
    help: "What was done and refused, from the beginning or behind the position `after`, each with the hash that chains it to the one before.",
  }),
  getauditheads: method({
    params: z.object({ ...byId, latest: z.boolean().optional().describe("only the last one") }),
    result: z.array(
      z.object({
        position: z.int(),
        hash: sha256,
        sealed: time,
        key: sha256,
        signature: z.string().describe("base64"),
      }),
    ),
    help: "Where the chain of the audit stood at times, signed by this agent, behind the position `after`.",
  }),
});
