import { isIP } from "node:net";
import { z } from "zod";
import { CAPABILITIES } from "../model/capability.ts";
import { MAX_ANY_PORTS } from "../model/ports.ts";
import { ENGINES } from "../model/ticket.ts";
import { contract, method } from "./xmlrpc/contract.ts";

/** What an agent can be asked (WIRE.md §2): v0.5's methods, and what the paper's architecture adds to them. */

const document = z.string().describe("a signed document, as text");
const slice = z.string();
const ip = z.string();
const time = z.string().describe("YYYY-MM-DD HH:MM:SS in UTC");
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "must be a SHA-256 in 64 lower-case hex digits");
const amount = z.int().min(0).max(999_999_999_999);
const port = z.int().min(1).max(65_535);

const resources = z.strictObject({
  cpu_millis: amount,
  memory_mib: amount,
  disk_mib: amount,
  egress_kbps: amount,
});
const share = z.object({ ...resources.shape, slivers: amount });
const ceilings = z.strictObject({ cpu_millis: amount.optional(), egress_kbps: amount.optional() });
const portRange = z.strictObject({ protocol: z.enum(["tcp", "udp"]), from: port, to: port });
const anyCount = z.int().min(0).max(MAX_ANY_PORTS).optional();
const anyPorts = z.strictObject({ tcp: anyCount, udp: anyCount });

/** A list, since new engines and abilities must be no obstacle to those who do not know them. */
const ability = z.string().regex(/^[a-z][a-z-]{0,31}$/);
const engineAbilities = z.strictObject({ engine: z.string(), abilities: z.array(ability).max(32) });

/** v0.5's way to leave the choice of nodes to the agent. */
export const ANY_NODE = "0.0.0.0";

/** The most advertisements one answer has; `after` asks for those that follow. */
export const MAX_ADS = 1000;

/** The most tickets, or changes of members, one answer lists. */
export const MAX_LISTED = 1000;

/** The most tickets one call deposits, releases or settles. */
const MAX_TICKETS = 1000;

/**
 * As long as anything is that an advertisement calls by a name. Whoever gathers advertisements repeats them in answers of
 * bounded length: an agent that is wordy must not take the room of the others.
 */
const name = z.string().max(255);

/** What an agent says about its holdings on one node (paper §2.2). */
export const advertisement = z.object({
  node: sha256,
  ip: z
    .string()
    .max(64)
    .refine((text) => isIP(text) !== 0, "must be an IP address"),
  /** Where its node manager takes calls; 0 when the node has not said. */
  sslport: z.int(),
  /** Empty when it is at none that is known. */
  site: name,
  where: z.object({
    latitude: z.number().optional(),
    longitude: z.number().optional(),
    country: name.optional(),
    region: name.optional(),
    tags: z.array(z.string().max(1024).describe("name=value")).max(256).optional(),
  }),
  engines: z.array(name).max(64),
  images: z.array(name).max(1024),
  /** What the slivers of each engine have. */
  abilities: z.array(engineAbilities).max(64),
  simulated: z.boolean(),
  /** What the agent holds there now, without its overbooking. */
  resources: share,
  /** What is free at every instant of the term that was asked about, as far as it is held. */
  free: share,
  held_until: time.optional().describe("when what is held there ends"),
  overbooking: z.int().describe("per mille, 1000 is none"),
  load: z
    .number()
    .nullable()
    .describe("processes that want a processor, over a minute; nil when nobody measured within 90 s"),
  cpus: z.int().nullable().optional().describe("processors, as a monitor tells; nil when none does"),
  liveness: z
    .int()
    .nullable()
    .optional()
    .describe("per mille of the time it was heard, that of a day ago counting half; nil while unknown"),
  heard: time.nullable().describe("when the node last reported, nil if it never did"),
  monitored: time
    .nullable()
    .optional()
    .describe("when a monitor last told of it, which nobody signs; nil if none ever did"),
});
export type AdvertisementStruct = z.output<typeof advertisement>;

/** What a node says of itself when it deposits. */
export const facts = z.strictObject({
  sslport: port,
  sshport: port,
  engines: z.array(z.enum(ENGINES)).max(16),
  images: z.array(z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/)).max(256),
  simulated: z.boolean(),
  version: z.string().max(64),
  abilities: z.array(engineAbilities).max(16).optional(),
  /** Ports of its address that no slice gets. */
  kept_ports: z.array(portRange).max(256).optional(),
});

const settled = z.array(sha256).max(MAX_TICKETS).optional();

export const agentApi = contract({
  getconfig: method({
    result: z.object({
      port: z.int(),
      sslport: z.int(),
      httpport: z.int(),
      maxlease: z.int(),
      default_resources: resources,
      overbooking: z.int(),
      ticket_key: z.string().describe("SubjectPublicKeyInfo, base64"),
      ticket_keys: z
        .array(z.string().describe("SubjectPublicKeyInfo, base64"))
        .min(1)
        .max(16)
        .describe("every key that signs its tickets now, the current one first")
        .optional(),
      agent: sha256,
      version: z.string(),
    }),
    plain: true,
    help: "Says where this agent listens, what it gives when nothing is asked for, and the key that nodes give holdings to. A port that is not there is 0.",
  }),
  getads: method({
    params: z.object({
      nodes: z.array(sha256).optional(),
      ips: z.array(ip).optional(),
      engine: z.enum(ENGINES).optional(),
      image: z.string().optional(),
      abilities: z.array(ability).max(32).optional(),
      sites: z.array(z.string()).optional(),
      country: z.string().optional(),
      region: z.string().optional(),
      tags: z.array(z.string().describe("name=value")).max(32).optional(),
      heard_within: z.int().min(0).max(999_999_999).describe("seconds").optional(),
      /** The load is known, and no more than this. */
      max_load: z.number().min(0).max(1_000_000).optional(),
      /** So much is held at least, free or not. */
      held: resources.optional(),
      /** So much is free at least, over the term. */
      resources: resources.optional(),
      from: time.optional(),
      to: time.optional(),
      after: sha256.optional(),
      limit: z.int().min(1).max(MAX_ADS).optional(),
    }),
    result: z.union([z.array(advertisement), z.array(ip)]),
    plain: true,
    help: "Without arguments, the addresses of nodes with something to give. With any of them, advertisements in the order of the nodes' names, of those on which resources are free from one time to the other.",
  }),
  gettickets: method({
    params: z.object({
      description: z.string().optional(),
      request: document.optional(),
      nodes: z.array(sha256).min(1).optional(),
      ips: z.array(ip).min(1).optional(),
      /** How much of a request this call is about: absent, all that is left of it. */
      count: z.int().min(1).optional(),
      atleast: z.int().min(1).optional(),
    }),
    result: z.array(document),
    plain: true,
    mutates: true,
    mixed: true,
    signed: true,
    help: "With a slice description, new tickets for it, on the nodes named or wherever it fits. With a request that a principal signed for the calling broker, tickets for that principal. Without arguments, your tickets that can still be redeemed.",
  }),
  closerequest: method({
    params: z.object({ request: document, after: sha256.optional() }),
    result: z.array(document),
    mutates: true,
    signed: true,
    help: "As the principal who signed a request or the broker it names: nothing more is issued under it. Returns the tickets it brought that still count, in the order of their ids, up to 1000 of those behind `after`.",
  }),
  getslices: method({
    result: z.array(slice),
    plain: true,
    help: "Returns the names of the slices that have tickets or leases.",
  }),
  newtickets: method({
    params: z.object({
      slice,
      ntickets: z.int().min(1),
      leaselen: z.int().min(1),
      ips: z.union([z.literal(ANY_NODE), z.array(ip).min(1)], {
        error: `must be a list of addresses, or "${ANY_NODE}" for any`,
      }),
      resources: resources.optional(),
      ceilings: ceilings.optional(),
      engine: z.enum(ENGINES).optional(),
      image: z.string().optional(),
      ports: z.array(portRange).max(64).optional(),
      any_ports: anyPorts.optional(),
      administrative: z.array(z.enum(CAPABILITIES)).min(1).optional(),
    }),
    result: z.array(document),
    mutates: true,
    help: "Issues tickets for a slice, each on a node of its own: the first of the addresses that have room, or with 0.0.0.0 any. All or none.",
  }),
  deposittickets: method({
    params: z.object({ tickets: z.array(document).max(64), facts: facts.optional() }),
    result: z.literal(1),
    mutates: true,
    help: "Gives this agent holdings to issue from. A root only from its node, which also says what it runs.",
  }),
  getrevocations: method({
    params: z.object({
      since: z.array(sha256).max(64).optional().describe("identities of lists that the caller has"),
    }),
    result: z.array(document),
    help: "The signed lists of what is revoked that this agent goes by: its authority's and its own, as far as the caller does not have them.",
  }),
  postrevocations: method({
    params: z.object({ list: document }),
    result: z.literal(1),
    mutates: true,
    help: "Takes a signed list of keys that the authority has revoked, from anybody, and gives it to all nodes.",
  }),
  postendings: method({
    params: z.object({
      list: document,
      leases: z.array(z.object({ lease: z.string(), ticket: sha256 })).max(10_000),
    }),
    result: z.literal(1),
    mutates: true,
    help: "A node's own signed list of leases that its owner ended before their time, and the tickets of this agent that they were made with.",
  }),
  settletickets: method({
    params: z.object({ redeemed: settled, unredeemed: settled, cancelled: settled, ended: settled }),
    result: z.literal(1),
    mutates: true,
    help: "A node's word about tickets of this agent, by their ids: what became of them, and what is free again.",
  }),
  getmembers: method({
    params: z.object({ since: z.int().min(0) }),
    result: z.object({
      latest: z.int().describe("the number of the last change of all"),
      changes: z
        .array(z.object({ number: z.int(), slice, principal: sha256, member: z.boolean() }))
        .max(1000)
        .describe("in the order of their numbers; more may follow a full list"),
    }),
    help: "For a node: who became a member of a slice that has tickets for it, and who is one no more, since a change.",
  }),
  getslice: method({
    params: z.object({ slice }),
    result: z.object({
      slice,
      owner: sha256,
      members: z.array(sha256),
      nodes: z.array(sha256).describe("those for which it has tickets that count"),
    }),
    help: "Says whose a slice of yours is, who its members are, and on which nodes it has tickets that count.",
  }),
  releasetickets: method({
    params: z.object({ tickets: z.array(document).min(1).max(MAX_TICKETS) }),
    result: z.array(z.object({ ticket: sha256, state: z.enum(["released", "freed", "redeemed"]) })),
    mutates: true,
    help: "Gives tickets back, as the principal they name or as the broker that asked for them. They are free once their nodes have said that nobody redeemed them.",
  }),
});
