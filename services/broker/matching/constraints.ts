import { lacks, missingAbility, type Needy } from "#shared/model/ability.ts";
import { type Reason, remedyOfShortage } from "#shared/model/misfit.ts";
import { exceeds, type Share, unitOf } from "#shared/model/resources.ts";
import type { SliceDescription, Tag, Whereabouts } from "#shared/model/slice-description.ts";
import { formatLength, type Instant } from "#shared/model/time.ts";
import type { Advertisement } from "./specification.ts";

/** A node reports every 30 s: one that missed three reports is passed over, unless `<node>` asked for it by name. */
export const SILENT_SECONDS = 90;

/** What of a description decides which nodes will do. */
export type Need = Pick<SliceDescription, "nodes" | "engine" | "image" | "where" | "leaseSeconds"> & Needy;

/** One thing asked of a node. Most nodes are only ever asked whether they meet it; why not is told of the others. */
export type Constraint = {
  readonly admits: (ad: Advertisement) => boolean;
  /** Why a node that is not admitted will not do. */
  readonly reason: (ad: Advertisement) => Reason;
};

/**
 * All that a need asks of a node by itself, and nothing that it does not ask. What is lasting comes first, what may pass
 * by itself last: the first that fails is what is told.
 */
export function constraintsOf(
  need: Need,
  now: Instant,
  { demand, ruledOut }: { readonly demand: Share; readonly ruledOut: ReadonlyMap<string, string> },
): Constraint[] {
  const constraints: (Constraint | false)[] = [
    ruledOut.size > 0 && notRuledOut(ruledOut),
    ...placeConstraints(need.where),
    need.engine !== undefined && runs(need.engine),
    need.image !== undefined && keeps(need.image),
    able(need),
    heldFor(need.leaseSeconds, now),
    need.where.maxLoad !== undefined && loadedAtMost(need.where.maxLoad),
    roomFor(demand),
    heardLately(need.where, now),
  ];
  return constraints.filter((constraint) => constraint !== false);
}

function notRuledOut(reasons: ReadonlyMap<string, string>): Constraint {
  return {
    admits: ({ node }) => !reasons.has(node),
    reason: ({ node }) => ({ reason: reasons.get(node)! }),
  };
}

function placeConstraints(where: Whereabouts): (Constraint | false)[] {
  const { nodes, avoid, sites, avoidSites } = where;
  return [
    nodes.length > 0 && among(nodes),
    avoid.length > 0 && notAmong(avoid),
    sites.length > 0 && atSites(sites),
    avoidSites.length > 0 && notAtSites(avoidSites),
    ...where.tags.map(tagged),
    where.distinctSites && AT_KNOWN_SITE,
  ];
}

function elsewhere(reason: string, kind?: string): Reason {
  return { reason, kind, remedy: "other nodes" };
}

function among(names: readonly string[]): Constraint {
  return { admits: naming(names), reason: () => elsewhere("is not among the nodes asked for") };
}

function notAmong(names: readonly string[]): Constraint {
  const named = naming(names);
  return { admits: (ad) => !named(ad), reason: () => elsewhere("is to be avoided") };
}

function atSites(names: readonly string[]): Constraint {
  const sites = new Set(names);
  const kind = "is not at a site asked for";
  return {
    admits: ({ site }) => sites.has(site),
    reason: ({ site }) => {
      return {
        reason: `is at ${site || "no known site"}, not at one asked for`,
        kind,
        remedy: "other sites",
      };
    },
  };
}

function notAtSites(names: readonly string[]): Constraint {
  const sites = new Set(names);
  return {
    admits: ({ site }) => !sites.has(site),
    reason: ({ site }) => elsewhere(`is at ${site}, which is to be avoided`),
  };
}

function tagged({ name, value }: Tag): Constraint {
  return {
    admits: ({ tags }) => tags.get(name)?.includes(value) === true,
    reason: ({ tags }) => {
      const has = tags.get(name);
      const says = has?.length ? `has ${name} ${has.join(", ")}` : `says nothing of ${name}`;
      return elsewhere(`${says}, not ${value}`, `is not of ${name} ${value}`);
    },
  };
}

const AT_KNOWN_SITE: Constraint = {
  admits: ({ site }) => site !== "",
  reason: () => elsewhere("is at no known site, so it cannot be told to be a distinct one"),
};

function runs(engine: string): Constraint {
  const kind = `does not run ${engine}`;
  return {
    admits: ({ engines }) => engines.includes(engine),
    reason: ({ engines }) => {
      return { reason: `${kind} (it runs ${listed(engines)})`, kind, remedy: "another engine" };
    },
  };
}

function keeps(image: string): Constraint {
  const kind = `does not have the image ${image}`;
  return {
    admits: ({ images }) => images.includes(image),
    reason: ({ images }) => {
      return { reason: `${kind} (it has ${listed(images)})`, kind, remedy: "another image" };
    },
  };
}

function able(need: Need): Constraint {
  const missing = ({ abilities }: Advertisement) => missingAbility(abilities, need);
  return {
    admits: (ad) => missing(ad) === undefined,
    reason: (ad) => ({ reason: lacks(missing(ad)!), remedy: need.engine ? "another engine" : "other nodes" }),
  };
}

function heldFor(leaseSeconds: number, now: Instant): Constraint {
  const end = now + leaseSeconds;
  return {
    admits: ({ heldUntil = end }) => end <= heldUntil,
    reason: ({ heldUntil = end, maxLeaseSeconds = Number.POSITIVE_INFINITY }) => {
      const asked = formatLength(leaseSeconds);
      const left = Math.max(0, heldUntil - now);
      const reason = `is held by its agent for ${formatLength(left)} more, not for ${asked}`;
      const kind = `is held for less than ${asked}`;
      return { reason, kind, remedy: "a shorter lease", longest: Math.min(left, maxLeaseSeconds) };
    },
  };
}

function loadedAtMost(most: number): Constraint {
  const kind = `has a load of more than ${most}`;
  return {
    admits: ({ load }) => load !== undefined && load <= most,
    reason: ({ load }) => {
      if (load === undefined) return { reason: "has a load that nobody knows", remedy: "any load" };
      return { reason: `has a load of ${load.toFixed(2)}, more than ${most}`, kind, remedy: "a higher load" };
    },
  };
}

function roomFor(demand: Share): Constraint {
  return {
    admits: ({ free }) => exceeds(demand, free) === undefined,
    reason: ({ free }) => {
      const short = exceeds(demand, free)!;
      const reason = `has ${free[short]} of ${demand[short]} ${unitOf(short)} free`;
      const kind = `has less than ${demand[short]} ${unitOf(short)} free`;
      return { reason, kind, remedy: remedyOfShortage(short, free[short]) };
    },
  };
}

function heardLately({ nodes }: Whereabouts, now: Instant): Constraint {
  const named = naming(nodes);
  const kind = `has not been heard for ${SILENT_SECONDS} s`;
  return {
    admits: (ad) => (ad.heard !== undefined && now - ad.heard <= SILENT_SECONDS) || named(ad),
    reason: (ad) => {
      if (ad.heard === undefined) return { reason: "has never reported to its agent", remedy: "later" };
      const reason = `has not been heard for ${formatLength(now - ad.heard)}`;
      return { reason: `${reason}${stillMonitored(ad, now)}`, kind, remedy: "later" };
    },
  };
}

/** The machine may be up without its node manager: what its monitor says explains that much. */
function stillMonitored({ monitored }: Advertisement, now: Instant): string {
  if (monitored === undefined || now - monitored > SILENT_SECONDS) return "";
  return ", though a monitor tells of its machine";
}

/** Whether a node is one of these, by identity or address. */
function naming(list: readonly string[]): (ad: Advertisement) => boolean {
  const names = new Set(list);
  return names.size === 0 ? () => false : ({ node, ip }) => names.has(node) || names.has(ip);
}

function listed(names: readonly string[]): string {
  return names.length > 0 ? names.join(", ") : "none";
}
