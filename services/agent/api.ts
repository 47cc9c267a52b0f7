import { DEFAULT_LEASE_SECONDS } from "#shared/model/slice-description.ts";
import { type Instant, parseInstant, type Term, term } from "#shared/model/time.ts";
import { type agentApi, MAX_ADS, MAX_LISTED } from "#shared/wire/agent-api.ts";
import { resourcesOf, resourcesStruct } from "#shared/wire/resources-struct.ts";
import type { Handlers } from "#shared/wire/xmlrpc/dispatch.ts";
import { type IssuingParts, issuingHandlers } from "./issuing/handlers.ts";
import { SILENT_SECONDS } from "./issuing/offer.ts";
import { sliceFor } from "./registry/membership.ts";
import { type SettlementParts, settlementHandlers } from "./settlement/handlers.ts";
import { advertisements, liveAddresses } from "./store/issuing/advertisements.ts";
import { countedSlices } from "./store/issuing/tickets.ts";
import { memberChanges } from "./store/registry/slice-members.ts";
import { advertisementStruct } from "./struct.ts";

/** What the handlers hand on to. */
export type AgentParts = IssuingParts & SettlementParts;

type AgentMethods = Omit<Handlers<typeof agentApi>, "getrevocations" | "postrevocations" | "postendings">;

export function agentHandlers(parts: AgentParts): AgentMethods {
  return { ...tellingHandlers(parts), ...issuingHandlers(parts), ...settlementHandlers(parts) };
}

type TellingMethods = Pick<AgentMethods, "getconfig" | "getads" | "getslices" | "getmembers" | "getslice">;

/** The methods that tell what the agent is and has, and change nothing. */
function tellingHandlers({ database, keys, self }: AgentParts): TellingMethods {
  return {
    getconfig: () => ({
      port: self().ports.plain,
      sslport: self().ports.tls,
      httpport: self().ports.web,
      maxlease: self().maxLeaseSeconds,
      default_resources: resourcesStruct(self().defaultResources),
      overbooking: self().overbooking,
      ticket_key: keys.current.public.spki.toString("base64"),
      ticket_keys: keys.all.map((key) => key.public.spki.toString("base64")),
      agent: self().agent,
      version: self().version,
    }),

    getads: async (filter, { now }) => {
      if (Object.keys(filter).length === 0) return await liveAddresses(database, now - SILENT_SECONDS, now);
      const { overbooking } = self();
      const wanted = {
        ...filter,
        resources: filter.resources && resourcesOf(filter.resources),
        held: filter.held && resourcesOf(filter.held),
        heardSince: filter.heard_within === undefined ? undefined : now - filter.heard_within,
        maxLoad: filter.max_load,
        during: duringOf(filter, now),
        limit: filter.limit ?? MAX_ADS,
      };
      const ads = await advertisements(database, wanted, now, overbooking);
      return ads.map(advertisementStruct);
    },

    getslices: (_, { now }) => countedSlices(database, now),

    getmembers: ({ since }, { peer }) => memberChanges(database, peer.name, since, MAX_LISTED),

    getslice: async ({ slice }, { peer, now }) => ({
      slice,
      ...(await sliceFor(database, slice, peer.name, now)),
    }),
  };
}

/** The term an advertisement is about: from now, for as long as a lease lasts, unless the caller says otherwise. */
function duringOf({ from, to }: Parameters<TellingMethods["getads"]>[0], now: Instant): Term {
  const start = from === undefined ? now : parseInstant(from);
  return term(start, to === undefined ? start + DEFAULT_LEASE_SECONDS : parseInstant(to), "term asked about");
}
