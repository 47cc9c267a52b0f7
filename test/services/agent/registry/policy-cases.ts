import type { KeyName } from "#shared/identity/key.ts";
import type { FaultName } from "#shared/model/errors.ts";
import { DAY, NOW } from "../../../support/documents.ts";
import { ROLES, SIZE } from "./policy-lab.ts";

/** The steps of the issuing transaction that refuse, in their order, by what they raise. */
export const STEPS = [
  "the privilege is gone",
  "the name is taken",
  "the slice has grown",
  "an account is full",
  "a node stands otherwise",
  "a quota is used up",
] as const;
export type Step = (typeof STEPS)[number];

/** What callers are told, what is looked at first first. */
const FAULTS: readonly FaultName[] = ["SUSPENDED", "NOT_PRINCIPAL", "NO_PRIVILEGE", "NO_CAPACITY", "QUOTA"];

/** Why a ticket is refused: by the transaction, and, where it is known before, by whoever decides what to ask of it. */
export type Cause = { readonly step: Step; readonly fault?: FaultName };

/** The first that refuses; undefined: nothing does. */
export function firstStep(causes: readonly Cause[]): Step | undefined {
  return STEPS.find((step) => causes.some((cause) => cause.step === step));
}

export function firstFault(causes: readonly Cause[]): FaultName | undefined {
  return FAULTS.find((fault) => causes.some((cause) => cause.fault === fault));
}

/** Whom and what an order is about. */
export type Subject = {
  readonly who: KeyName;
  readonly colleague: KeyName;
  readonly slice: string;
  readonly node: KeyName;
  readonly privilege: number;
  readonly administrative: boolean;
};

/** How somebody or something stands: what makes it so, and what comes of that. */
export type State = {
  readonly title: string;
  readonly make: (subject: Subject) => string;
  readonly cause?: Cause | ((subject: Subject) => Cause | undefined);
};

const privilege = (change: string) => (subject: Subject) =>
  `update privileges set valid_from = to_timestamp(${NOW - 60}), ${change} where id = ${subject.privilege};`;
const principal = (change: string) => (subject: Subject) =>
  `update principals set ${change} where name = '${subject.who}';`;
const node = (change: string) => (subject: Subject) =>
  `update nodes set ${change} where node = '${subject.node}';`;
const holding = (change: string) => (subject: Subject) =>
  `update holdings set ${change} where node = '${subject.node}';`;

const UNPRIVILEGED: Cause = { step: "the privilege is gone", fault: "NO_PRIVILEGE" };
const UNAVAILABLE: Cause = { step: "a node stands otherwise", fault: "NO_CAPACITY" };
const FULL: Cause = { step: "an account is full", fault: "NO_CAPACITY" };

/** A subject has one sliver of its slice, and asks for one on another node, for a day, to be renewed for another. */
export const STATES: readonly State[] = [
  { title: "all is well", make: () => "" },
  {
    title: "the principal is suspended",
    make: principal("suspended = true"),
    cause: { step: "the privilege is gone", fault: "SUSPENDED" },
  },
  {
    title: "the privilege is withdrawn",
    make: (subject) => `delete from privileges where id = ${subject.privilege};`,
    cause: UNPRIVILEGED,
  },
  { title: "it ends now", make: privilege(`valid_to = to_timestamp(${NOW})`), cause: UNPRIVILEGED },
  { title: "it ends in a second", make: privilege(`valid_to = to_timestamp(${NOW + 1})`) },
  {
    title: "it begins in a second",
    make: ({ privilege: id }) =>
      `update privileges set valid_from = to_timestamp(${NOW + 1}) where id = ${id};`,
    cause: UNPRIVILEGED,
  },
  { title: "it is for leases so long", make: privilege(`max_lease_seconds = ${DAY}`) },
  {
    title: "it is for leases a second shorter",
    make: privilege(`max_lease_seconds = ${DAY - 1}`),
    cause: UNPRIVILEGED,
  },
  {
    title: "it is for renewals a second shorter", // of which whoever decides asks for no more
    make: privilege(`max_lease_seconds = ${DAY}, max_renewable_seconds = ${2 * DAY - 1}`),
    cause: { step: "the privilege is gone" },
  },
  { title: "it is for two nodes", make: privilege("max_nodes = 2") },
  {
    title: "it is for one node",
    make: privilege("max_nodes = 1"),
    cause: { step: "the slice has grown", fault: "QUOTA" },
  },
  {
    title: "it is for another capability",
    make: privilege(
      "capabilities = case slice_type when 'administrative' then '{CAP_SYSLOG}'::text[] else '{}' end",
    ),
    cause: ({ administrative }) => (administrative ? UNPRIVILEGED : undefined),
  },
  {
    title: "the name is somebody else's",
    make: ({ slice, colleague }) => `update slices set principal = '${colleague}' where name = '${slice}';`,
    cause: { step: "the name is taken", fault: "NOT_PRINCIPAL" },
  },
  { title: "the node has room for one", make: holding("slivers = 1") },
  { title: "the node has no room", make: holding("slivers = 0"), cause: FULL },
  {
    title: "the node has too little memory",
    make: holding(`memory_mib = ${SIZE.memoryMib - 1}`),
    cause: FULL,
  },
  { title: "the node is drained", make: node("drained = now()"), cause: UNAVAILABLE },
  { title: "the node is retired", make: node("drained = now(), retired = now()"), cause: UNAVAILABLE },
  {
    title: "the node is suspended",
    make: (subject) => `update principals set suspended = true where name = '${subject.node}';`,
    cause: UNAVAILABLE,
  },
  {
    title: "the node has another factor", // which whoever decides reads
    make: node("overbooking = 2000"),
    cause: { step: "a node stands otherwise" },
  },
];

/** A quota of one dimension, and how it stands to what there would be with the ticket. */
export type QuotaCase = {
  readonly title: string;
  readonly make: (subject: Subject) => string;
  readonly cause?: Cause;
};

/** What the subject alone, and everybody of its site together, would have: one sliver each, and the one asked for. */
const WOULD: Readonly<Record<string, readonly [alone: number, together: number]>> = {
  slices: [1, ROLES.length + 1],
  nodes: [2, 2],
  lease_seconds: [DAY, DAY],
  slivers: [2, ROLES.length + 2],
  cpu_millis: [2 * SIZE.cpuMillis, (ROLES.length + 2) * SIZE.cpuMillis],
  memory_mib: [2 * SIZE.memoryMib, (ROLES.length + 2) * SIZE.memoryMib],
  disk_mib: [2 * SIZE.diskMib, (ROLES.length + 2) * SIZE.diskMib],
  egress_kbps: [2 * SIZE.egressKbps, (ROLES.length + 2) * SIZE.egressKbps],
};

/** Of everything, and one less than there would be. */
export const EVERY_QUOTA: QuotaCase = {
  title: "its own of everything, one less than there would be",
  make: ({ who }) =>
    `insert into quotas (principal, ${Object.keys(WOULD).map((what) => `max_${what}`)})
     values ('${who}', ${Object.values(WOULD).map(([alone]) => alone - 1)});`,
  cause: { step: "a quota is used up", fault: "QUOTA" },
};

export const NO_QUOTA: QuotaCase = { title: "no quota", make: () => "" };

export const QUOTAS: readonly QuotaCase[] = Object.entries(WOULD).flatMap(([what, [alone, together]]) =>
  [
    { of: "its own", would: alone, whose: ({ who }: Subject) => `(principal, max_${what}) values ('${who}'` },
    { of: "its site's", would: together, whose: () => `(site, max_${what}) values ('mit'` },
  ].flatMap(({ of, would, whose }) =>
    [1, 0, -1].map(
      (more): QuotaCase => ({
        title: `${of} of ${what}: ${would + more} where there would be ${would}`,
        make: (subject) => `insert into quotas ${whose(subject)}, ${would + more});`,
        cause: more < 0 ? { step: "a quota is used up", fault: "QUOTA" } : undefined,
      }),
    ),
  ),
);
