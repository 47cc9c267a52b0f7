import type { KeyName, PublicKey } from "#shared/identity/key.ts";
import { formatInstant, type Term } from "#shared/model/time.ts";
import { agentApi, MAX_ADS, MAX_LISTED } from "#shared/wire/agent-api.ts";
import { parseDocument } from "#shared/wire/document.ts";
import { writeSliceDescription } from "#shared/wire/slice-description.ts";
import { type CallOptions, type XmlRpcClient, xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import type { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import type { Advertisement } from "../matching/specification.ts";
import { type AgentFacts, advertisementOf, factsOf } from "./agent-words.ts";
import type { TicketAgent } from "./ask.ts";

/** What became of a ticket that was given back: `freed` is certain, of the others the node has the last word. */
export type Release = { readonly ticket: string; readonly state: "released" | "freed" | "redeemed" };

/** How long an answer is waited for, in milliseconds, and what ends the waiting. */
export type Patience = { readonly signal?: AbortSignal; readonly deadlineMs: number };

/** An agent, called in the name of one principal or broker. */
export type AgentConnection = TicketAgent & {
  readonly url: string;
  facts(): Promise<AgentFacts>;
  /** As for any broker, within a shorter time than usual where one is given, in milliseconds. */
  advertisements(during: Term, withinMs?: number): Promise<Advertisement[]>;
  /** Tickets of the caller that its agent still counts. */
  outstanding(): Promise<string[]>;
  /** The nodes for which a slice that the caller is a member of has tickets that count. */
  nodesOf(slice: string): Promise<string[]>;
  /** Gives tickets back, with another patience than usual where one is given. */
  release(tickets: readonly string[], patience?: Patience): Promise<Release[]>;
  /** Gives up what a request of the caller's has left there; gives back the tickets it brought that still count. */
  closeRequest(request: string): Promise<string[]>;
  /** The same agent, which issues tickets for what this signed request asks, in the name of its principal. */
  requesting(request: string): TicketAgent;
};

/** More nodes than that no agent holds: what goes on and on is no list. */
const MAX_PAGES = 50;

/** Tickets of up to some 4 KiB each, in a request of less than 1 MiB. */
const RELEASED_AT_ONCE = 100;

/** Calls one agent. Where its identity is known, nobody else is spoken to at its address. */
export function agentConnection(
  { url, identity }: { readonly url: string; readonly identity?: KeyName },
  connections: Connections,
  { signal, deadlineMs: timeoutMs }: Patience,
): AgentConnection {
  const name = identity ?? url;
  const api = xmlRpcClient(agentApi, { url, connections, expectedPeer: identity });
  const options = { signal, timeoutMs };
  let facts: Promise<AgentFacts> | undefined;
  const askFacts = () => {
    facts ??= api.getconfig({}, options).then(factsOf);
    return facts.catch((error) => {
      facts = undefined; // asked again the next time
      throw error;
    });
  };

  async function advertisements(during: Term, withinMs = timeoutMs): Promise<Advertisement[]> {
    const longest = async () => (await askFacts()).maxLease;
    return await allAdvertisements(api, { name, url, longest }, during, { signal, timeoutMs: withinMs });
  }

  /** What it said before is asked again only where it has begun to sign with another key since. */
  async function ticketKeys(signed: readonly string[] = []): Promise<readonly PublicKey[]> {
    const known = (await askFacts()).ticketKeys;
    const names = new Set(known.map((key) => key.name));
    if (signed.every((text) => names.has(parseDocument(text).keyName))) return known;
    facts = undefined;
    return (await askFacts()).ticketKeys;
  }
  return {
    name,
    url,
    facts: askFacts,
    ticketKeys,
    advertisements,
    tickets: async (description, { requestId, nodes }) =>
      await api.gettickets(
        {
          description: writeSliceDescription(description),
          nodes: nodes.map(({ node }) => node),
          request_id: requestId,
        },
        options,
      ),
    requesting: (request) => ({
      ...{ name, url, ticketKeys, advertisements },
      tickets: async (_, { requestId, nodes, count, atleast }) =>
        await api.gettickets(
          { request, nodes: nodes.map(({ node }) => node), count, atleast, request_id: requestId },
          options,
        ),
    }),
    outstanding: async () => await api.gettickets({}, options),
    nodesOf: async (slice) => (await api.getslice({ slice }, options)).nodes,
    release: (tickets, patience) =>
      releaseAll(
        api,
        tickets,
        patience ? { signal: patience.signal, timeoutMs: patience.deadlineMs } : options,
      ),
    closeRequest: (request) => closeWhole(api, request, options),
  };
}

type Api = XmlRpcClient<typeof agentApi>;

/** All pages within one deadline: an agent that is slow with each is slow. */
async function allAdvertisements(
  api: Api,
  { name, url, longest }: { name: string; url: string; longest: () => Promise<number> },
  during: Term,
  { signal, timeoutMs }: CallOptions & { readonly timeoutMs: number },
): Promise<Advertisement[]> {
  const until = performance.now() + timeoutMs;
  const ads: Advertisement[] = [];
  const [from, to] = [formatInstant(during.start), formatInstant(during.end)];
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const left = { signal, timeoutMs: Math.max(1, Math.ceil(until - performance.now())) };
    const asked = api.getads({ from, to, after: ads.at(-1)?.node, limit: MAX_ADS }, left);
    const [page, maxLeaseSeconds] = await Promise.all([asked, longest()]);
    for (const ad of page) {
      const next = { ...advertisementOf({ name, url }, ad), maxLeaseSeconds };
      // Pages go through the nodes in order; others would never come to an end.
      if (next.node <= (ads.at(-1)?.node ?? ""))
        throw new TransportError("malformed", `${url} advertises nodes out of order`);
      ads.push(next);
    }
    if (page.length < MAX_ADS) return ads;
  }
  throw new TransportError("too-large", `${url} advertises more than ${MAX_PAGES * MAX_ADS} nodes`);
}

async function releaseAll(api: Api, tickets: readonly string[], options: CallOptions): Promise<Release[]> {
  const releases: Release[] = [];
  for (let at = 0; at < tickets.length; at += RELEASED_AT_ONCE) {
    const some = tickets.slice(at, at + RELEASED_AT_ONCE);
    releases.push(...(await api.releasetickets({ tickets: some }, options)));
  }
  return releases;
}

async function closeWhole(api: Api, request: string, options: CallOptions): Promise<string[]> {
  const tickets: string[] = [];
  for (let after: string | undefined; ; after = parseDocument(tickets.at(-1)!).id) {
    const page = await api.closerequest({ request, after }, options);
    tickets.push(...page);
    if (page.length < MAX_LISTED) return tickets;
  }
}
