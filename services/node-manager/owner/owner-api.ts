import { z } from "zod";
import { ENGINES } from "#shared/model/ticket.ts";
import { contract, method } from "#shared/wire/xmlrpc/contract.ts";
import { UNTOLD } from "../flows/untold.ts";
import { SUSPENDERS } from "../store/suspension-rows.ts";

/**
 * What a node's owner can ask on the machine itself (docs/guides/owning-a-node.md). Never answered on the network: who may
 * open the node's own socket, or its store, is who has the machine.
 */

const slice = z.string().describe("the name of a slice that has a lease here");
const time = z.string().describe("YYYY-MM-DD HH:MM:SS in UTC");
const one = z.literal(1);
/** Goes into sentences and tables: one line of anything that can be printed. */
const reason = z
  .string()
  .max(200, "must be at most 200 characters")
  .regex(/^\P{C}*$/u, "must be one line of printable characters")
  .optional();

const suspension = z.strictObject({ by: z.enum(SUSPENDERS), since: time, reason: z.string() });

const lease = z.strictObject({
  slice,
  lease: z.string(),
  principal: z.string(),
  members: z.array(z.string()).describe("who may do with it what its principal may"),
  sliver: z.string(),
  engine: z.enum(ENGINES),
  state: z.string(),
  start_time: time,
  end_time: time,
  renewable_until_time: time,
  cpu_millis: z.number(),
  memory_mib: z.number(),
  disk_mib: z.number(),
  egress_kbps: z.number(),
  ports: z.array(z.string()),
  suspensions: z.array(suspension),
});
export type OwnedLease = z.output<typeof lease>;

const kind = z.enum(["slice", "principal"]);
const ban = z.strictObject({ kind, name: z.string(), since: time, reason: z.string() });

/** A row of the audit; a refusal, which is not in the chain, has the position 0. */
const auditRow = z.strictObject({
  position: z.int(),
  hash: z.string(),
  id: z.int(),
  at: z.string(),
  who: z.string(),
  method: z.string(),
  outcome: z.string(),
  detail: z.string(),
});
const auditHead = z.strictObject({
  position: z.int(),
  hash: z.string(),
  sealed: time,
  key: z.string(),
  signature: z.string().describe("base64"),
});
const party = { slice: z.string(), principal: z.string(), lease: z.string() };
const flow = z.strictObject({
  ...party,
  sent: z.boolean().describe("whether the slice began it"),
  remote: z.string(),
  remote_port: z.int(),
  began: time,
  ended: time.optional(),
});
export type FlowStruct = z.output<typeof flow>;

const flowAnswer = z.strictObject({
  flows: z.array(flow),
  counted: z
    .array(z.strictObject({ ...party, minute: time, count: z.int() }))
    .describe("slices that had more flows in that time than are recorded one by one"),
  leased: z.array(z.string()).describe("slices that have this port by their leases now"),
  watched: z.boolean().describe("whether flows were recorded all that time"),
  untold: z
    .array(z.strictObject({ slice: z.string(), because: z.enum(UNTOLD) }))
    .describe("slices here now of which no flows are recorded, and why"),
});
export type FlowAnswer = z.output<typeof flowAnswer>;

export const MOST_ROWS = 1000;
const limit = z.int().min(1).max(MOST_ROWS).default(MOST_ROWS);
const after = z.int().min(0).default(0);

export const ownerApi = contract({
  listleases: method({
    result: z.array(lease),
    help: "Everything that is leased on this node, and to whom.",
  }),
  listbans: method({ result: z.array(ban), help: "Whom this node's owner does not want." }),
  suspend: method({
    params: z.object({ slice, reason }),
    result: one,
    help: "Stops the sliver of a slice and keeps it stopped, with its disk and its lease, until resume.",
  }),
  resume: method({ params: z.object({ slice }), result: one, help: "Lets a suspended sliver run again." }),
  kill: method({
    params: z.object({ slice, reason }),
    result: one,
    help: "Ends the lease of a slice, destroys its sliver with everything in it, and tells its agents.",
  }),
  ban: method({
    params: z.object({ name: z.string(), reason }),
    result: one,
    help: "From now on nothing of this slice, or of the principal with this key, is redeemed or renewed here.",
  }),
  who: method({
    params: z.object({
      protocol: z.enum(["tcp", "udp"]),
      port: z.int().min(1, "must be 1 to 65535").max(65_535, "must be 1 to 65535"),
      time: time.optional(),
      within_seconds: z.int().min(0).max(86_400).default(60),
      remote: z.string().max(64).optional(),
    }),
    result: flowAnswer,
    help: "Which slices had flows by this port of the node's address about that time, as the world saw them.",
  }),
  latestaudit: method({
    params: z.object({ limit }),
    result: z.array(auditRow),
    help: "The latest of what was done and refused here, the oldest of it first.",
  }),
  getaudit: method({
    params: z.object({ after, limit }),
    result: z.array(auditRow),
    help: "Of the chain of what was done what follows a position.",
  }),
  getauditheads: method({
    params: z.object({ after, limit }),
    result: z.array(auditHead),
    help: "The signed heads of the chain that follow a position. The last one is made now, if need be.",
  }),
  unban: method({ params: z.object({ name: z.string() }), result: one, help: "Takes back a ban." }),
});
