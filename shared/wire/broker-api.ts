import { z } from "zod";
import { contract, method } from "./xmlrpc/contract.ts";

/** What a broker can be asked (WIRE.md §2): to find nodes for a slice, and to gather tickets that its principal signed for. */

const document = z.string().describe("a signed document, as text");
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "must be a SHA-256 in 64 lower-case hex digits");
const port = z.int().min(0).max(65_535);

/** The most nodes a call names of each kind: what travels in one request. */
const MAX_NAMED = 5_000;

/** The most refused nodes an answer tells of one by one; all of them are in its explanation. */
export const MAX_REFUSED = 1_000;

/** The longest an answer is held back for news, in seconds. */
const MAX_WAIT_SECONDS = 30;
export const DEFAULT_WAIT_SECONDS = 20;

const nodes = z.array(sha256).max(MAX_NAMED);
const amount = z.int().min(0).max(10_000);
const waitSeconds = z
  .int()
  .min(0)
  .max(MAX_WAIT_SECONDS)
  .describe("how long to hold the answer back while nothing is decided");

/** A node to get a ticket for, and who issues it. */
const specifiedNode = z.object({
  node: sha256,
  ip: z.string(),
  sslport: port,
  /** Empty when it is at none that is known. */
  site: z.string(),
  agent: sha256,
});
export type SpecifiedNodeStruct = z.output<typeof specifiedNode>;

/** A node that does not fit. `reason` is a clause that follows its name. */
const refusedNode = z.object({
  node: z.string().describe("as advertised, or as the description names it where nobody advertises it"),
  ip: z.string(),
  site: z.string(),
  reason: z.string(),
  remedy: z.string().optional().describe("what to ask for otherwise so that it would fit"),
});

/** The paper's slice specification: which nodes, of which agents, and why not the others. */
export const specification = z.object({
  /** In order of preference. */
  chosen: z.array(specifiedNode),
  standby: z.array(specifiedNode),
  spare: z.int().describe("how many more would do as well"),
  refused: z.array(refusedNode).max(MAX_REFUSED),
  refused_count: z.int(),
  explanation: z.string().describe("why nodes were refused, with counts; empty when none was"),
  advice: z.string().describe("what to ask for instead; empty when none was refused"),
});
export type SpecificationStruct = z.output<typeof specification>;

/** What has become of a signed request so far. */
export const acquisition = z.object({
  id: sha256.describe("of the request: the SHA-256 of its body"),
  state: z.enum(["working", "done", "failed"]),
  progress: z.string().describe("a sentence for people"),
  specification: specification.optional(),
  /** For as many nodes as are wanted, in order of preference. */
  tickets: z.array(document),
  /** For nodes to take the place of those that fail. */
  standby: z.array(document),
  refused: z.array(z.object({ node: z.string(), agent: z.string(), reason: z.string() })),
  fault: z.object({ code: z.int(), name: z.string(), sentence: z.string() }).optional(),
});
export type AcquisitionStruct = z.output<typeof acquisition>;

export const brokerApi = contract({
  getconfig: method({
    result: z.object({
      port: z.int(),
      sslport: z.int(),
      httpport: z.int(),
      broker: sha256,
      agents: z.array(z.object({ identity: sha256, url: z.string() })),
      version: z.string(),
    }),
    plain: true,
    help: "Says where this broker listens, whom a request has to name for it to act, and the agents it asks. A port that is not there is 0.",
  }),
  findslice: method({
    params: z.object({
      description: z.string().describe("a slice description, in XML"),
      /** Nodes the slice has: they count where it is to be spread, and are not chosen. */
      holds: nodes.optional(),
      avoid: nodes.optional(),
      wanted: amount.optional(),
      standby: amount.optional(),
    }),
    result: specification,
    help: "Says which nodes of which agents fit a description, which of them would be taken, and why the others are not. Nothing is asked for.",
  }),
  acquireslice: method({
    params: z.object({
      request: document,
      /** These four may ask for less than the request does, never for more. */
      wanted: amount.optional(),
      atleast: amount.optional(),
      standby: amount.optional(),
      avoid: nodes.optional(),
      holds: nodes.optional(),
      wait_seconds: waitSeconds.optional(),
    }),
    result: acquisition,
    mutates: true,
    help: "Gathers tickets for a request that its caller signed for this broker. The same request again is the same acquisition.",
  }),
  getacquisition: method({
    params: z.object({ id: sha256, wait_seconds: waitSeconds.optional() }),
    result: acquisition,
    help: "Says how far an acquisition has come; with wait_seconds, once it has come further or is over.",
  }),
});
