import { z } from "zod";
import { refuseUnless } from "../model/errors.ts";
import { SPREADS, type Whereabouts } from "../model/slice-description.ts";
import {
  children,
  faultless,
  many,
  matching,
  one,
  oneOf,
  present,
  reading,
  textOf,
  value,
} from "./description-element.ts";
import { readIp } from "./fields.ts";

/** What `<where>` of a slice description may hold: which nodes will do. */

const TAG_NAME = /^[a-z][a-z0-9_-]{0,31}$/;
const IDENTITY = /^[0-9a-f]{64}$/;
const LOAD = /^(0|[1-9][0-9]{0,3})(\.[0-9]{1,3})?$/;

const readTagName = matching((text) => TAG_NAME.test(text), "a tag's name is up to 32 of a-z, 0-9, _ and -");
const readTagValue = matching((text) => text.length <= 64, "a tag's value has up to 64 characters");
const readSite = matching((text) => text !== "" && text.length <= 64, "a site's name has 1 to 64 characters");

const tag = z
  .strictObject({ "@": z.strictObject({ name: value(readTagName) }), "#text": value(readTagValue) })
  .transform((element) => ({ name: element["@"].name, value: element["#text"] }));

/** What one `<site>` says: the name of one, or whether all are to be distinct. */
const site = z
  .strictObject({
    "@": z.strictObject({ distinct: value(oneOf(["true", "false"])) }).optional(),
    "#text": value(readSite).optional(),
  })
  .transform(
    reading(({ "@": attributes, "#text": name }) => {
      const either = (attributes === undefined) !== (name === undefined);
      refuseUnless(either, "MALFORMED", 'it has distinct="true", or the name of a site');
      return { name, distinct: attributes?.distinct };
    }),
  );

const readNode = (text: string): string => (IDENTITY.test(text) ? text : readIp(text));
const nodeReference = textOf(readNode);

/** What one `<avoid>` says: a node, or a site with all its nodes. */
const avoid = z
  .strictObject({
    "@": z.strictObject({ site: value(readSite) }).optional(),
    "#text": value(readNode).optional(),
  })
  .transform(
    reading(({ "@": attributes, "#text": node }) => {
      const either = (attributes === undefined) !== (node === undefined);
      refuseUnless(either, "MALFORMED", 'it holds a node, or has site="…"');
      return { node, site: attributes?.site };
    }),
  );

/** Reads a load, as in `uptime`: up to three decimals. Throws MALFORMED. */
export function readLoad(text: string): number {
  refuseUnless(LOAD.test(text), "MALFORMED", `"${text.slice(0, 20)}" is no load: a number such as 2 or 0.75`);
  return Number(text);
}

const load = z
  .strictObject({ "@": z.strictObject({ atmost: value(readLoad) }) })
  .transform((element) => element["@"].atmost);

const spread = z
  .strictObject({ "@": z.strictObject({ over: value(oneOf(SPREADS)) }) })
  .transform((element) => element["@"].over);

/** The children of `<where>`. */
export const WHERE = children({
  site: many(site),
  tag: many(tag),
  spread: one(spread).optional(),
  load: one(load).optional(),
  node: many(nodeReference),
  include: many(nodeReference),
  avoid: many(avoid),
})
  .superRefine(
    faultless(({ site: sites = [] }) => {
      const [, second] = sites.flatMap(({ distinct }, at) => (distinct === undefined ? [] : [at]));
      const sentence = "distinct is said twice; leave one";
      return second === undefined ? undefined : { path: ["site", second], sentence };
    }),
  )
  .transform(
    ({ site: sites = [], avoid: avoided = [], ...element }): Whereabouts =>
      present({
        distinctSites: sites.some(({ distinct }) => distinct === "true"),
        sites: sites.flatMap(({ name }) => name ?? []),
        tags: element.tag ?? [],
        spread: element.spread,
        maxLoad: element.load,
        nodes: element.node ?? [],
        include: element.include ?? [],
        avoid: avoided.flatMap(({ node }) => node ?? []),
        avoidSites: avoided.flatMap(({ site }) => site ?? []),
      }),
  );
