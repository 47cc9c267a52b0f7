import { peerOf, serverTlsOptions } from "#shared/identity/tls.ts";
import { Fault } from "#shared/model/errors.ts";
import type { Holding } from "#shared/model/ticket.ts";
import { agentApi } from "#shared/wire/agent-api.ts";
import { parseDocument } from "#shared/wire/document.ts";
import { readTicket } from "#shared/wire/ticket-document.ts";
import type { Handlers } from "#shared/wire/xmlrpc/dispatch.ts";
import { startXmlRpcServer, type XmlRpcServer } from "#shared/wire/xmlrpc/server.ts";
import type { TestIdentity } from "#test/support/authority.ts";
import { eventually } from "#test/support/deadline.ts";
import { KEYS, type Sealed } from "#test/support/documents.ts";
import { ownPort } from "#testbed/own-port.ts";

/** What a node told the agent in one call. */
export type Settled = Readonly<Record<string, readonly string[] | undefined>>;

/**
 * An agent that only listens: it remembers what its node deposits and settles, as it comes over the wire. Its ticket
 * key is `KEYS.agent`, so that tests can split its holdings.
 */
export type ListeningAgent = AsyncDisposable & {
  readonly identity: string;
  readonly url: string;
  /** Root tickets, latest last. */
  readonly roots: string[];
  readonly facts: unknown[];
  readonly settled: Settled[];
  /** Every event heard of a ticket, in order, repetitions included. */
  eventsOf(ticket: string): string[];
  /** The latest root, once there is one. */
  root(): Promise<Sealed<Holding>>;
  /** Takes no more calls until `listen`. */
  goAway(): Promise<void>;
  listen(): Promise<void>;
  /** Refuses the next calls to settletickets with this, after having heard them: an answer that was lost. */
  forget: Fault | undefined;
  ticketKey: string;
  /** What it answers when asked for what is revoked. */
  revocations: string[];
  /** Every time that the node said which leases its owner had ended. */
  readonly endings: { list: string; leases: readonly { lease: string; ticket: string }[] }[];
  /** What it says of the members of its slices. */
  memberChanges: { number: number; slice: string; principal: string; member: boolean }[];
};

export async function listeningAgent(identity: TestIdentity): Promise<ListeningAgent> {
  let server: XmlRpcServer | undefined;
  const port = await ownPort();
  const agent: ListeningAgent = {
    identity: identity.name,
    get url() {
      return `https://127.0.0.1:${port}/RPC2`;
    },
    roots: [],
    facts: [],
    settled: [],
    forget: undefined,
    revocations: [],
    memberChanges: [],
    endings: [],
    ticketKey: KEYS.agent.public.spki.toString("base64"),
    eventsOf: (ticket) =>
      agent.settled.flatMap((call) =>
        Object.entries(call).flatMap(([event, ids]) => (ids?.includes(ticket) ? [event] : [])),
      ),
    root: async () => {
      const text = await eventually(() => agent.roots.at(-1), { what: "the agent being given a root" });
      const { id, body } = parseDocument(text);
      return { ticket: readTicket({ id, body }) as Holding, id, text, lineage: [text] };
    },
    async goAway() {
      await server?.close();
      server = undefined;
    },
    async listen() {
      server = await startXmlRpcServer(agentApi, handlers(agent), {
        tls: { host: "127.0.0.1", port, options: serverTlsOptions(identity.tls) },
        authenticate: (socket) => peerOf(socket, { now: new Date("2026-01-01") }),
        clock: { now: () => 0 },
        log: { error: () => {} },
        replies: { findReply: () => undefined },
        limits: { closeMs: 100 },
      });
    },
    [Symbol.asyncDispose]: async () => await agent.goAway(),
  };
  await agent.listen();
  return agent;
}

function handlers(agent: ListeningAgent): Handlers<typeof agentApi> {
  const others = Object.keys(agentApi).map((name) => [
    name,
    () => {
      throw new Fault("NO_METHOD", "this agent only listens");
    },
  ]);
  const listens: Partial<Handlers<typeof agentApi>> = {
    getconfig: () => ({
      ...{ port: 0, sslport: 1, httpport: 0, maxlease: 86_400, overbooking: 1000, version: "0" },
      default_resources: { cpu_millis: 0, memory_mib: 0, disk_mib: 0, egress_kbps: 0 },
      ...{ ticket_key: agent.ticketKey, agent: agent.identity },
    }),
    deposittickets: ({ tickets, facts }) => {
      agent.roots.push(...tickets);
      agent.facts.push(facts);
      return 1;
    },
    getmembers: ({ since }) => ({
      latest: agent.memberChanges.at(-1)?.number ?? 0,
      changes: agent.memberChanges.filter(({ number }) => number > since),
    }),
    getrevocations: () => agent.revocations,
    postendings: (endings) => {
      agent.endings.push(endings);
      return 1;
    },
    settletickets: (events) => {
      agent.settled.push(events);
      if (agent.forget) throw agent.forget;
      return 1;
    },
  };
  return { ...Object.fromEntries(others), ...listens } as Handlers<typeof agentApi>;
}
