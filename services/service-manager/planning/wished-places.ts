import { isIP } from "node:net";
import { Fault } from "#shared/model/errors.ts";
import { SPREADS, type Tag, type Whereabouts } from "#shared/model/slice-description.ts";
import { readLoad } from "#shared/wire/whereabouts-schema.ts";
import { UsageError } from "../terminal/exit-code.ts";

/** What `slice create` and `slice plan` may be told about which nodes will do. */
export type PlaceOptions = {
  readonly where?: readonly string[];
  readonly site?: readonly string[];
  readonly distinctSites?: boolean;
  readonly spread?: string;
  readonly maxLoad?: string;
  readonly include?: readonly string[];
  readonly avoid?: readonly string[];
};

/** Nodes by address, identity, or the beginning of an identity, which only advertisements complete. */
export type Selectors = readonly string[];

export type WishedPlaces = {
  /** With what was said of places; without the nodes below. */
  readonly where: Whereabouts;
  readonly include: Selectors;
  readonly avoid: Selectors;
};

const SHORTEST_PREFIX = 6;
const SITE = "site=";

/** What the options add to where a description says nodes are to be: everything holds at once. */
export function readWishedPlaces(options: PlaceOptions, base: Whereabouts): WishedPlaces {
  const avoided = options.avoid ?? [];
  const sites = avoided.filter((text) => text.startsWith(SITE)).map((text) => text.slice(SITE.length));
  if (sites.includes("")) throw new UsageError('"site=": write the name of a site, such as site=princeton');
  const nodes = avoided.filter((text) => !text.startsWith(SITE));
  return {
    where: {
      ...base,
      distinctSites: base.distinctSites || options.distinctSites === true,
      sites: [...base.sites, ...(options.site ?? [])],
      tags: [...base.tags, ...(options.where ?? []).map(readTag)],
      ...(options.spread !== undefined && { spread: readSpread(options.spread) }),
      ...(options.maxLoad !== undefined && { maxLoad: readMaxLoad(options.maxLoad) }),
      avoidSites: [...base.avoidSites, ...sites],
    },
    include: (options.include ?? []).flatMap(readSelectors),
    avoid: nodes.flatMap(readSelectors),
  };
}

/** Nodes with commas between them. Throws a UsageError for what can be no node. */
export function readSelectors(text: string): string[] {
  const selectors = [...new Set(text.split(",").map((part) => part.trim().toLowerCase()))];
  const wrong = selectors.find((s) => isIP(s) === 0 && !/^[0-9a-f]+$/.test(s));
  if (wrong !== undefined)
    throw new UsageError(`"${wrong}" is no node; write a number, addresses, or identities`);
  const short = selectors.find((s) => isIP(s) === 0 && (s.length < SHORTEST_PREFIX || s.length > 64));
  if (short !== undefined)
    throw new UsageError(`"${short}": write ${SHORTEST_PREFIX} to 64 digits of an identity`);
  return selectors;
}

function readTag(text: string): Tag {
  const [name = "", ...value] = text.split("=");
  if (name === "" || value.join("=") === "")
    throw new UsageError(`"${text}": write NAME=VALUE, such as region=eu`);
  return { name, value: value.join("=") };
}

function readSpread(text: string) {
  const spread = SPREADS.find((one) => one === text);
  if (!spread) throw new UsageError(`"${text}": nodes are spread over one of ${SPREADS.join(", ")}`);
  return spread;
}

function readMaxLoad(text: string): number {
  try {
    return readLoad(text);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new UsageError(error.sentence, { cause: error });
  }
}
