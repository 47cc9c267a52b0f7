import { z } from "zod";
import { ENGINES } from "../model/ticket.ts";
import { contract, method } from "./xmlrpc/contract.ts";

/** What a node manager can be asked (WIRE.md §2): v0.5's methods, and what the paper's architecture adds to them. */

const document = z.string().describe("a signed document, as text");
const slice = z.string();
const time = z.string().describe("YYYY-MM-DD HH:MM:SS in UTC");
const one = z.literal(1);
const sshKey = z.string().describe("an SSH public key: type and base64, as in authorized_keys");
/** v0.5's clients send the slice's private key along. It is neither stored nor logged. */
const privatekey = z.string().optional();
/** Only the lease of this serial is meant, so that a late duplicate can't hit its successor. */
const lease_serial = z.string().optional();

/** One thing that is or is not so about a sliver, since when, and in a sentence why. */
const condition = z.strictObject({
  type: z.string(),
  status: z.boolean(),
  since: time,
  reason: z.string(),
});

const traffic = z.strictObject({ bytes: z.number(), packets: z.number() });

/** What a sliver uses; counters run from its last start. */
const usage = z.strictObject({
  cpu_microseconds: z.number(),
  memory_bytes: z.number(),
  processes: z.number(),
  disk_bytes: z.number(),
  /** `alarming`: what it tried to send of the classes that are limited. Absent where nobody counts. */
  network: z.strictObject({ sent: traffic, received: traffic, alarming: traffic }).optional(),
});
export type UsageStruct = z.output<typeof usage>;

/**
 * How a sliver stands. `missing`: it is leased and not there; the node makes it again. `suspended`: the node keeps it
 * stopped on purpose; a condition says why.
 */
export const SLIVER_STATES = [
  "creating",
  "running",
  "stopped",
  "suspended",
  "missing",
  "deleting",
  "unknown",
] as const;

export const nodeManagerApi = contract({
  getconfig: method({
    result: z.strictObject({
      port: z.int(),
      sslport: z.int(),
      httpport: z.int(),
      sshport: z.int(),
      node: z.string(),
      ip: z.string(),
      version: z.string(),
      engines: z.array(z.enum(ENGINES)),
      simulated: z.boolean(),
    }),
    plain: true,
    help: "Says where this node manager listens, which node it is and what engines it has. A port that is not there is 0.",
  }),
  getleases: method({
    result: z.array(document),
    plain: true,
    help: "Returns the signed leases that live on this node.",
  }),
  getslivers: method({
    result: z.array(slice),
    plain: true,
    help: "Returns the names of the slices that have a sliver on this node.",
  }),
  getprinciple: method({
    params: z.object({ slice }),
    result: z.string(),
    plain: true,
    help: "Returns v0.5's name (SHA-1) of the principal whose slice it is.",
  }),
  getsshkeys: method({
    params: z.object({ slice }),
    result: z.strictObject({ numkeys: z.int(), keys: z.array(sshKey).optional() }),
    plain: true,
    help: "Returns the SSH keys that may enter a slice's sliver. There is no member keys when there are none.",
  }),
  newlease: method({
    params: z.object({ ticketdata: document }),
    result: document,
    mutates: true,
    help: "Redeems a slice ticket: makes the virtual machine and returns the signed lease. The same ticket gets the same lease.",
  }),
  newvm: method({
    params: z.object({ leasedata: document, privatekey, publickey: sshKey }),
    result: one,
    mutates: true,
    help: "Lets an SSH key into the sliver of a lease of yours. The private key is never stored.",
  }),
  newleasevm: method({
    params: z.object({ ticketdata: document, privatekey, publickey: sshKey }),
    result: document,
    mutates: true,
    help: "Does newlease and newvm at once and returns the signed lease.",
  }),
  renewlease: method({
    params: z.object({
      slice,
      end_time: time.optional(),
      ticketdata: document.optional(),
      lease_serial,
    }),
    result: document,
    mutates: true,
    help: "Extends a lease, by its original length unless end_time or a ticket says otherwise, and returns it with the granted end. A ticket of the same agent that names somebody else makes them a member of the lease.",
  }),
  deletelease: method({
    params: z.object({ slice, lease_serial }),
    result: one,
    mutates: true,
    help: "Ends a lease and destroys its virtual machine and everything in it.",
  }),
  canceltickets: method({
    params: z.object({ tickets: z.array(document) }),
    result: document,
    mutates: true,
    help: "Promises that these tickets are never redeemed and nothing more beneath these holdings; returns a signed statement of what became of each.",
  }),
  statetickets: method({
    params: z.object({ tickets: z.array(document) }),
    result: document,
    help: "Says under signature what became of each of these tickets and holdings, and changes nothing: for the agents above them.",
  }),
  postrevocations: method({
    params: z.object({ list: document }),
    result: one,
    mutates: true,
    help: "Takes a signed list of what is revoked, of the authority from anybody, or of an agent that holds something here from itself, and ends the leases that it is about.",
  }),
  getrevocations: method({
    params: z.object({
      since: z.array(z.string()).max(64).optional().describe("identities of lists that the caller has"),
    }),
    result: z.array(document),
    help: "The signed lists of what is revoked that this node goes by, and its own, of leases that its owner ended before their time, as far as the caller does not have them.",
  }),
  addkey: method({
    params: z.object({ slice, key: sshKey, lease_serial }),
    result: one,
    mutates: true,
    help: "Lets one more SSH key into the sliver.",
  }),
  delkey: method({
    params: z.object({ slice, key: sshKey, lease_serial }),
    result: one,
    mutates: true,
    help: "Lets an SSH key into the sliver no more.",
  }),
  nukekeys: method({
    params: z.object({ slice, lease_serial }),
    result: one,
    mutates: true,
    help: "Removes every SSH key but the one the virtual machine was made with.",
  }),
  getstatus: method({
    params: z.object({ slice }),
    result: z.strictObject({
      slice,
      sliver: z.string(),
      state: z.enum(SLIVER_STATES),
      engine: z.enum(ENGINES),
      simulated: z.boolean(),
      start_time: time,
      end_time: time,
      renewable_until_time: time,
      usage: usage.optional(),
      conditions: z.array(condition),
      /** Names of the keys of everybody who may do with the lease what its principal may. */
      members: z.array(z.string()).optional(),
    }),
    help: "Says how the sliver of a slice of yours stands, what it uses, and what is or is not well with it.",
  }),
});
