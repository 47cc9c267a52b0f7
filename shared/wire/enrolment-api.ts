import { z } from "zod";
import { MAX_LISTED } from "./administration-api.ts";
import { contract, method } from "./xmlrpc/contract.ts";

/**
 * How people, nodes and services become known to an agent and certified: what newcomers ask, who have no certificate
 * yet, and what administrators decide. The agent has them certified by the consortium's authority.
 */

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "must be a SHA-256 in 64 lower-case hex digits");
const id = z.string().regex(/^[0-9a-f]{32}$/, "must be 32 lower-case hex digits");
const time = z.string().describe("YYYY-MM-DD HH:MM:SS in UTC");
const pem = z.string().max(16_384);
const certificate = z.string().describe("PEM");
const kind = z.enum(["person", "node", "service"]);
const role = z.enum(["researcher", "pi", "administrator", "agent"]);
const name = z.string().min(1).max(64);
const address = z.string().min(1).max(255);
const done = z.literal(1);

const SECOND = 1;
const YEAR = 366 * 86_400;

/** What newcomers ask. The only methods for which no certificate is needed. */
export const enrolmentApi = contract({
  getauthority: method({
    result: z.array(certificate),
    open: true,
    help: "The certificates of the authorities that this agent believes. Believe them only if you know their key.",
  }),
  enrol: method({
    params: z.object({
      csr: pem.describe("a certificate request in PEM, for the key in it and nothing else"),
      invitation: z
        .string()
        .regex(/^[0-9a-f]{32}$/, "must be the secret of an invitation")
        .optional(),
      kind: kind.optional().describe("a person, where neither this nor the invitation says"),
      name: name.optional().describe("what you would like to be called"),
      address: address.optional().describe("where a node or service is reached"),
      note: z.string().max(500).optional().describe("for the administrator who decides"),
    }),
    result: z.object({ id, state: z.enum(["waiting", "approved", "refused"]) }),
    open: true,
    help: "Asks to be certified and registered. Asking again with the same key is asking once.",
  }),
  getenrolment: method({
    params: z.object({
      id,
      proof: z.string().max(2048).describe("base64: the request's key signed for it, at this agent"),
    }),
    result: z.object({
      state: z.enum(["waiting", "approved", "refused"]),
      reason: z.string().nullable(),
      certificate: certificate.nullable(),
      authorities: z.array(certificate),
      agent: z.object({ url: z.string(), identity: sha256 }),
    }),
    open: true,
    help: "What became of an enrolment, for whoever holds the key it is about.",
  }),
});

const invited = {
  kind,
  role: role.optional().describe("of a person, or agent of a service; a node's is node"),
  name: name.optional().describe("what whoever brings it is called"),
  site: name.optional(),
  addresses: z.array(address).max(32).optional().describe("of a node or service"),
};

/** What administrators of an agent decide about newcomers. */
export const enrolmentAdministrationApi = contract({
  addinvitation: method({
    params: z.object({
      ...invited,
      secret_sha256: sha256.describe("the secret itself stays with whoever hands it out"),
      approves: z.boolean().optional().describe("whether nobody looks at whoever brings it"),
      uses: z.int().min(1).max(10_000).optional().describe("1 where it is absent"),
      valid_seconds: z.int().min(SECOND).max(YEAR).optional().describe("a week where it is absent"),
    }),
    result: z.object({ id, url: z.string(), authority: sha256, validto_time: time }),
    mutates: true,
    help: "Lets whoever knows a secret enrol. Returns what the invitation's text says besides: where, and the authority's key.",
  }),
  listinvitations: method({
    params: z.object({ after: id.optional(), limit: z.int().min(1).max(MAX_LISTED).optional() }),
    result: z.array(
      z.object({
        ...{ id, kind, role: z.string().nullable(), name: z.string().nullable() },
        ...{ site: z.string().nullable(), addresses: z.array(z.string()) },
        ...{ approves: z.boolean(), uses: z.int(), used: z.int(), by: z.string() },
        created: time,
        validto_time: time,
        state: z.enum(["open", "used", "expired", "withdrawn"]),
      }),
    ),
    help: "Invitations that were given out.",
  }),
  withdrawinvitation: method({
    params: z.object({ id }),
    result: done,
    mutates: true,
    help: "Makes an invitation worthless from now on.",
  }),
  listenrolments: method({
    params: z.object({
      state: z.enum(["waiting", "approved", "refused"]).optional(),
      after: id.optional(),
      limit: z.int().min(1).max(200).optional(),
    }),
    result: z.array(
      z.object({
        ...{ id, key: sha256, kind, state: z.string(), csr: z.string() },
        ...{ name: z.string().nullable(), address: z.string().nullable(), note: z.string().nullable() },
        ...{ invitation: id.nullable(), from: z.string(), asked: time, validto_time: time },
        ...{ by: z.string().nullable(), reason: z.string().nullable() },
      }),
    ),
    help: "Who asked to be enrolled. What they say of themselves nobody has verified.",
  }),
  approveenrolment: method({
    params: z.object({
      id,
      ...{ role: role.optional(), name: name.optional(), site: name.optional() },
      addresses: invited.addresses,
      days: z.int().min(1).max(9999).optional().describe("how long the certificate is valid"),
      certificate: pem.optional().describe("issued by the authority's operator, where no authority serves"),
      ...{ latitude: z.number().optional(), longitude: z.number().optional() },
      ...{ country: z.string().optional(), region: z.string().optional() },
      tags: z.array(z.string().max(128)).max(32).optional(),
    }),
    result: sha256.describe("the key that is known from now on"),
    mutates: true,
    help: "Has a newcomer certified and registers it. What is not said is taken from its invitation.",
  }),
  refuseenrolment: method({
    params: z.object({ id, reason: z.string().max(500).optional() }),
    result: done,
    mutates: true,
    help: "Refuses a newcomer, who is told the reason.",
  }),
});
