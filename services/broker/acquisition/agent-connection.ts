import { type KeyName, type PublicKey, publicKeyFromSpki } from "#shared/identity/key.ts";
import { Fault } from "#shared/model/errors.ts";
import type { Resources } from "#shared/model/resources.ts";
import { formatInstant, parseInstant, type Term } from "#shared/model/time.ts";
import { type AdvertisementStruct, agentApi, MAX_ADS, MAX_LISTED } from "#shared/wire/agent-api.ts";
import { parseDocument } from "#shared/wire/document.ts";
import { readBase64 } from "#shared/wire/fields.ts";
import { writeSliceDescription } from "#shared/wire/slice-description.ts";
import { type XmlRpcClient, xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import type { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import type { Advertisement } from "../matching/specification.ts";
import type { TicketAgent } from "./ask.ts";

/** What became of a ticket that was given back: `freed` is certain, of the others the node has the last word. */
export type Release = { readonly ticket: string; readonly state: "released" | "freed" | "redeemed" };

/** What an agent says of itself. */
export type AgentFacts = {
  /** The name of its identity key, as it says. */
  readonly identity: KeyName;
  /** Those that sign its tickets, the current one first: while one takes over from another there are two. */
  readonly ticketKeys: readonly PublicKey[];
  readonly defaultResources: Resources;
  /** Longest lease in seconds. */
  readonly maxLease: number;
};

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

  /** All pages within one deadline: an agent that is slow with each is slow. */
  async function advertisements(during: Term, withinMs = timeoutMs): Promise<Advertisement[]> {
    const until = performance.now() + withinMs;
    const ads: Advertisement[] = [];
    const [from, to] = [formatInstant(during.start), formatInstant(during.end)];
    for (let pages = 0; pages < MAX_PAGES; pages++) {
      const left = { signal, timeoutMs: Math.max(1, Math.ceil(until - performance.now())) };
      const asked = api.getads({ from, to, after: ads.at(-1)?.node, limit: MAX_ADS }, left);
      const [page, { maxLease: maxLeaseSeconds }] = await Promise.all([asked, askFacts()]);
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
    async release(tickets, patience) {
      const releases: Release[] = [];
      const limits = patience ? { signal: patience.signal, timeoutMs: patience.deadlineMs } : options;
      for (let at = 0; at < tickets.length; at += RELEASED_AT_ONCE) {
        const some = tickets.slice(at, at + RELEASED_AT_ONCE);
        releases.push(...(await api.releasetickets({ tickets: some }, limits)));
      }
      return releases;
    },
    async closeRequest(request) {
      const tickets: string[] = [];
      for (let after: string | undefined; ; after = parseDocument(tickets.at(-1)!).id) {
        const page = await api.closerequest({ request, after }, options);
        tickets.push(...page);
        if (page.length < MAX_LISTED) return tickets;
      }
    },
  };
}

function factsOf(config: Awaited<ReturnType<XmlRpcClient<typeof agentApi>["getconfig"]>>): AgentFacts {
  const { default_resources: share } = config;
  return {
    identity: config.agent,
    ticketKeys: (config.ticket_keys ?? [config.ticket_key]).map((key) => publicKeyFromSpki(readBase64(key))),
    defaultResources: resourcesOf(share),
    maxLease: config.maxlease,
  };
}

/** An agent's word is used as data only; what does not make sense is no proper answer. */
function advertisementOf(
  { name: agent, url }: { readonly name: string; readonly url: string },
  ad: AdvertisementStruct | string,
): Advertisement {
  if (typeof ad === "string")
    throw new TransportError("malformed", `${url} answered getads with addresses alone`);
  try {
    return {
      agent,
      node: ad.node,
      ip: ad.ip,
      sslport: ad.sslport,
      site: ad.site,
      region: ad.where.region,
      country: ad.where.country,
      tags: tagsOf(ad),
      engines: ad.engines,
      images: ad.images,
      abilities: ad.abilities,
      simulated: ad.simulated,
      resources: { ...resourcesOf(ad.resources), slivers: ad.resources.slivers },
      free: { ...resourcesOf(ad.free), slivers: ad.free.slivers },
      heldUntil: ad.held_until === undefined ? undefined : parseInstant(ad.held_until),
      load: ad.load ?? undefined,
      cpus: ad.cpus ?? undefined,
      liveness: ad.liveness == null ? undefined : ad.liveness / 1000,
      heard: ad.heard === null ? undefined : parseInstant(ad.heard),
      monitored: ad.monitored == null ? undefined : parseInstant(ad.monitored),
    };
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw new TransportError("malformed", `${url} advertises what makes no sense: ${cause.sentence}`, {
      cause,
    });
  }
}

/** As descriptions write tags: `site`, `country` and `region` by their names, others as name=value. */
function tagsOf({ site, where }: AdvertisementStruct): Map<string, string[]> {
  const tags = new Map<string, string[]>();
  const add = (name: string, value: string | undefined) => {
    if (value) tags.set(name, [...(tags.get(name) ?? []), value]);
  };
  add("site", site);
  add("country", where.country);
  add("region", where.region);
  for (const tag of where.tags ?? []) {
    const [name = "", ...value] = tag.split("=");
    add(name, value.join("="));
  }
  return tags;
}

type WireResources = {
  readonly cpu_millis: number;
  readonly memory_mib: number;
  readonly disk_mib: number;
  readonly egress_kbps: number;
};

function resourcesOf(wire: WireResources): Resources {
  return {
    cpuMillis: wire.cpu_millis,
    memoryMib: wire.memory_mib,
    diskMib: wire.disk_mib,
    egressKbps: wire.egress_kbps,
  };
}
