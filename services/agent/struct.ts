import type { z } from "zod";
import { refuseUnless } from "#shared/model/errors.ts";
import type { PortRange } from "#shared/model/ports.ts";
import type { Ceilings, Resources, Share } from "#shared/model/resources.ts";
import { ANYWHERE, type SliceDescription } from "#shared/model/slice-description.ts";
import { checkSliceName } from "#shared/model/slice-name.ts";
import { formatInstant, type Instant } from "#shared/model/time.ts";
import { type AdvertisementStruct, ANY_NODE, type agentApi } from "#shared/wire/agent-api.ts";
import { readImage } from "#shared/wire/fields.ts";
import { resourcesOf, resourcesStruct } from "#shared/wire/resources-struct.ts";
import type { Among, Order } from "./issuing/order.ts";
import type { Advertisement } from "./store/issuing/advertisements.ts";

/** How our nouns stand in the structs of the contract. */

export type NewTicketsStruct = z.output<(typeof agentApi)["newtickets"]["params"]>;
type GetTicketsStruct = z.output<(typeof agentApi)["gettickets"]["params"]>;
type CeilingsStruct = NonNullable<NewTicketsStruct["ceilings"]>;
type ShareStruct = AdvertisementStruct["free"];

export function ceilingsOf(struct: CeilingsStruct): Ceilings {
  return { cpuMillis: struct.cpu_millis, egressKbps: struct.egress_kbps };
}

function shareStruct(share: Share): ShareStruct {
  return { ...resourcesStruct(share), slivers: share.slivers };
}

export function advertisementStruct(ad: Advertisement): AdvertisementStruct {
  return {
    node: ad.node,
    ip: ad.ip,
    sslport: ad.sslport ?? 0,
    site: ad.site ?? "",
    where: {
      latitude: ad.latitude,
      longitude: ad.longitude,
      country: ad.country,
      region: ad.region,
      tags: [...ad.tags],
    },
    engines: [...ad.engines],
    images: [...ad.images],
    abilities: ad.abilities.map(({ engine, abilities }) => ({ engine, abilities: [...abilities] })),
    simulated: ad.simulated,
    resources: shareStruct(ad.resources),
    free: shareStruct(ad.free),
    held_until: formatInstant(ad.until),
    overbooking: ad.overbooking,
    load: ad.load ?? null,
    cpus: ad.cpus ?? null,
    liveness: ad.liveness ?? null,
    heard: timeOrNull(ad.heard),
    monitored: timeOrNull(ad.monitored),
  };
}

function timeOrNull(instant: Instant | undefined): string | null {
  return instant === undefined ? null : formatInstant(instant);
}

/** What newtickets asks for. Addresses named twice count once. Throws MALFORMED, BAD_NAME. */
export function orderOfCall(asked: NewTicketsStruct, defaults: Resources): Order {
  const ips = asked.ips === ANY_NODE ? undefined : [...new Set(asked.ips)];
  refuseUnless(
    !ips || asked.ntickets <= ips.length,
    "MALFORMED",
    `newtickets: ntickets is ${asked.ntickets} and ips names ${ips?.length} nodes; name at least as many`,
  );
  return {
    slice: checkSliceName(asked.slice),
    leaseSeconds: asked.leaselen,
    resources: asked.resources ? resourcesOf(asked.resources) : defaults,
    ceilings: ceilingsOf(asked.ceilings ?? {}),
    engine: asked.engine,
    image: asked.image === undefined ? undefined : readImage(asked.image),
    ports: (asked.ports ?? []).map(portRangeOf),
    anyPorts: asked.any_ports && { tcp: 0, udp: 0, ...asked.any_ports },
    administrative: asked.administrative && [...new Set(asked.administrative)],
    count: asked.ntickets,
    atLeast: asked.ntickets,
    among: ips ? { kind: "ips", names: ips } : { kind: "any" },
    where: ANYWHERE,
  };
}

/** What gettickets asks for: a description, and the nodes it is narrowed to, one ticket each. */
export function orderOfDescription(
  description: SliceDescription,
  { nodes, ips }: Pick<GetTicketsStruct, "nodes" | "ips">,
  defaults: Resources,
): Order {
  refuseUnless(
    !(nodes && ips),
    "MALFORMED",
    "gettickets: name nodes by their keys or by their addresses, not both",
  );
  const among = amongOf(nodes, ips);
  refuseUnless(
    among.kind !== "any" || description.where.include.length === 0,
    "MALFORMED",
    "gettickets: an agent does not choose what a description wants included; name the nodes, or let a broker choose",
  );
  const described = description.nodes.count + description.nodes.standby;
  const listed = among.kind === "any" ? described : among.names.length;
  const count = Math.min(described, listed);
  const { name: slice, leaseSeconds, resources = defaults, ceilings = {}, ...rest } = description;
  const { engine, image, ports, anyPorts, administrative, where } = rest;
  const atLeast = Math.min(count, description.nodes.atleast);
  return {
    slice,
    leaseSeconds,
    resources,
    ceilings,
    engine,
    image,
    ports,
    anyPorts,
    administrative,
    where,
    count,
    atLeast,
    among,
  };
}

function amongOf(nodes: readonly string[] | undefined, ips: readonly string[] | undefined): Among {
  if (nodes) return { kind: "nodes", names: [...new Set(nodes)] };
  return ips ? { kind: "ips", names: [...new Set(ips)] } : { kind: "any" };
}

function portRangeOf(range: PortRange): PortRange {
  refuseUnless(range.from <= range.to, "MALFORMED", "newtickets: a port range ends before it begins");
  return range;
}
