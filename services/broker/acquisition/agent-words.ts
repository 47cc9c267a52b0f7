import { type KeyName, type PublicKey, publicKeyFromSpki } from "#shared/identity/key.ts";
import { Fault } from "#shared/model/errors.ts";
import type { Resources } from "#shared/model/resources.ts";
import { parseInstant } from "#shared/model/time.ts";
import type { AdvertisementStruct, agentApi } from "#shared/wire/agent-api.ts";
import { readBase64 } from "#shared/wire/fields.ts";
import { resourcesOf } from "#shared/wire/resources-struct.ts";
import type { XmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import type { Advertisement } from "../matching/specification.ts";

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

export function factsOf(config: Awaited<ReturnType<XmlRpcClient<typeof agentApi>["getconfig"]>>): AgentFacts {
  const { default_resources: share } = config;
  return {
    identity: config.agent,
    ticketKeys: (config.ticket_keys ?? [config.ticket_key]).map((key) => publicKeyFromSpki(readBase64(key))),
    defaultResources: resourcesOf(share),
    maxLease: config.maxlease,
  };
}

/** An agent's word is used as data only; what does not make sense is no proper answer. */
export function advertisementOf(
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
