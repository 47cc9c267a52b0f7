import { randomBytes } from "node:crypto";
import type { AgentConnection } from "#services/broker/acquisition/agent-connection.ts";
import { Fault } from "#shared/model/errors.ts";
import type { Lease } from "#shared/model/lease.ts";
import { ANYWHERE, type SliceDescription } from "#shared/model/slice-description.ts";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import { openLease } from "#shared/wire/lease-document.ts";
import { writeSliceDescription } from "#shared/wire/slice-description.ts";
import { type CallFailure, isCallFailure, TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import type { SliceJournal } from "./journal/slice-journal.ts";
import type { NodeAddress, SliceRecord } from "./journal/slice-record.ts";
import { callOptions, type Effort, type Outcome, onEach } from "./network/fan-out.ts";
import type { Network, NodeConnection } from "./network/network.ts";

/** What came of one node of a slice that is adopted. */
export type Adopted = Outcome<NodeAddress, Lease>;

/** Where a slice of ours is, as an agent says. */
type Found = { readonly agent: AgentConnection; readonly address: NodeAddress };

type Adoption = {
  readonly journal: SliceJournal;
  readonly network: Network;
  readonly effort: Effort;
  readonly now: Instant;
};

/**
 * Takes over a slice that this principal is a member of and did not begin here: becomes a member on every node it is on, lets
 * a key of this journal's in, and keeps the leases as if they had been made here. Nodes that are in the journal already are
 * left as they are, so that what failed is finished by doing it again. Throws what the agents say where none knows us as a
 * member.
 */
export async function adoptSlice(adoption: Adoption): Promise<Adopted[]> {
  const { journal, network, effort } = adoption;
  const found = (await whereIs(adoption)).filter(({ address }) => !journal.leases.has(address.node));
  const joined = await onEach(
    "joining leases",
    found,
    async (one) => {
      const node = network.node(one.address);
      const text = await joinedLease(adoption, one, node);
      return { node, text, lease: acceptAdopted(text, node, journal.name) };
    },
    effort,
  );
  const mine = joined.flatMap((outcome) => (outcome.ok ? [outcome] : []));
  if (mine.length > 0) {
    const addresses = mine.map(({ item }) => item.address);
    if (journal.begun) await extend(journal, addresses);
    else await journal.begin(beginning(adoption, addresses, mine[0]!.value.lease));
  }
  for (const { value } of mine) await journal.keepLease(value.text, value.lease, value.node.key());
  const entered = await onEach(
    "letting the slice's key in",
    mine,
    async ({ value: { node, lease } }) => {
      const of = { slice: lease.slice, lease_serial: lease.serial };
      await node.api.addkey({ ...of, key: await keyOf(journal) }, callOptions(effort));
    },
    effort,
  );
  const shut = new Map(entered.flatMap((one) => (one.ok ? [] : [[one.item, one.error] as const])));
  return joined.map((outcome): Adopted => {
    const item = outcome.item.address;
    if (!outcome.ok) return { ...outcome, item };
    const error = shut.get(outcome);
    return error ? { ok: false, item, error } : { ok: true, item, value: outcome.value.lease };
  });
}

async function keyOf(journal: SliceJournal): Promise<string> {
  return (await journal.publicIdentity()).split(" ").slice(0, 2).join(" ");
}

/** Every node on which one of our agents counts tickets for the slice, with how it is reached. */
async function whereIs({ journal, network, effort, now }: Adoption): Promise<Found[]> {
  const outcomes = await onEach(
    "asking agents",
    network.agents,
    async (agent): Promise<Found[]> => {
      const nodes = new Set(await agent.nodesOf(journal.name));
      const ads = await agent.advertisements({ start: now, end: now + 60 });
      const known = ads.filter(({ node }) => nodes.has(node));
      const missing = nodes.size - known.length;
      if (missing > 0)
        network.notice(
          `${agent.name} does not tell how ${missing} of its nodes are reached; adopt it again later`,
        );
      return known.map(({ node, ip, sslport, site }) => {
        return { agent, address: { node, ip, sslport, site, agent: agent.name } };
      });
    },
    effort,
  );
  const found = outcomes.flatMap((outcome) => (outcome.ok ? outcome.value : []));
  const [failed] = outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome.error]));
  if (failed && !outcomes.some(({ ok }) => ok)) throw failed;
  if (found.length > 0) return found;
  throw new Fault(
    "NO_SLICE",
    `slice ${journal.name} is on no node now; create it with slice create ${journal.name}`,
  );
}

/** Of next to nothing, for as short as can be: it only says who is a member. */
const JOINING_SECONDS = 60;

/** The lease as the node has it, after it has made us a member, where it had not. */
async function joinedLease(
  { journal: { name: slice }, effort, now }: Adoption,
  { agent, address }: Found,
  { api }: NodeConnection,
): Promise<string> {
  const options = callOptions(effort);
  try {
    // Asks for nothing, and is answered to members only.
    return await api.renewlease({ slice, end_time: formatInstant(now) }, options);
  } catch (error) {
    if (!isCallFailure(error) || !(error instanceof Fault) || error.name !== "NOT_PRINCIPAL") throw error;
  }
  const requestId = randomBytes(16).toString("hex");
  const ask = { requestId, agent: agent.name, count: 1, atleast: 1, leaseSeconds: JOINING_SECONDS };
  const [ticket] = await agent.tickets(joiningDescription(slice), { ...ask, nodes: [address] });
  if (ticket === undefined) throw new TransportError("malformed", `${agent.name} gave no ticket`);
  try {
    return await api.renewlease({ slice, ticketdata: ticket }, options);
  } finally {
    await release(agent, ticket);
  }
}

/** It was not spent; where it can't be given back now it is over in an hour. */
async function release(agent: AgentConnection, ticket: string): Promise<CallFailure | undefined> {
  try {
    await agent.release([ticket]);
    return undefined;
  } catch (error) {
    if (isCallFailure(error)) return error;
    throw error;
  }
}

function joiningDescription(name: string): SliceDescription {
  const resources = { cpuMillis: 0, memoryMib: 1, diskMib: 1, egressKbps: 0 };
  const nodes = { count: 1, atleast: 1, standby: 0 };
  return { name, nodes, leaseSeconds: JOINING_SECONDS, resources, ports: [], where: ANYWHERE };
}

/** A lease that is somebody else's in name: signed by the node, for our slice there, and leading nowhere else. */
function acceptAdopted(text: string, node: NodeConnection, slice: string): Lease {
  const { ip } = node.address;
  const refuse = (why: string, cause?: unknown) =>
    new TransportError("malformed", `${ip} answered with a lease that is not accepted: ${why}`, { cause });
  let lease: Lease;
  try {
    lease = openLease(text, node.key());
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw refuse(cause.sentence, cause);
  }
  if (lease.node !== node.address.node) throw refuse("it is for another node");
  if (lease.slice !== slice) throw refuse("it is another slice's");
  if (lease.ip !== ip || lease.ssh.host !== ip || lease.ssh.user !== slice)
    throw refuse("it leads to another address than the node's");
  return lease;
}

async function extend(journal: SliceJournal, addresses: readonly NodeAddress[]): Promise<void> {
  await journal.update((record) => {
    const others = record.nodes.filter(({ node }) => !addresses.some((address) => address.node === node));
    const nodes = [...others, ...addresses];
    return { ...record, nodes, count: Math.max(record.count, nodes.length) };
  });
}

/** The description is what its leases tell: its words are with whoever began it. */
function beginning({ journal, network, now }: Adoption, nodes: readonly NodeAddress[], lease: Lease) {
  const description: SliceDescription = {
    name: journal.name,
    nodes: { count: nodes.length, atleast: 1, standby: 0 },
    leaseSeconds: lease.term.end - lease.term.start,
    resources: lease.resources,
    ceilings: lease.ceilings,
    engine: lease.engine,
    image: lease.image,
    ports: lease.ports,
    where: ANYWHERE,
    ...(lease.administrative && { administrative: lease.administrative }),
  };
  const record: SliceRecord = {
    version: 1,
    name: journal.name,
    phase: "created",
    principal: network.principal,
    createdAt: now,
    requestId: randomBytes(16).toString("hex"),
    asksMade: 0,
    asks: [],
    intent: "adopted",
    files: [],
    count: nodes.length,
    atleast: 1,
    nodes,
    ticketKeys: [],
    unwanted: [],
    keys: [],
    troubles: [],
  };
  return { record, description: writeSliceDescription(description), files: new Map<string, Buffer>() };
}
