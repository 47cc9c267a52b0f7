import assert from "node:assert/strict";
import { test } from "node:test";
import { SILENT_SECONDS } from "#services/broker/matching/constraints.ts";
import { adviceOf, explanationOf, tooFew } from "#services/broker/matching/explanation.ts";
import { type Matching, match } from "#services/broker/matching/matching.ts";
import type { Advertisement } from "#services/broker/matching/specification.ts";
import { ANYWHERE, type Whereabouts } from "#shared/model/slice-description.ts";
import { NOW } from "#test/support/documents.ts";
import { advertisement, DEMAND, description, nodeName, withMemory } from "../advertisements.ts";

function placed(
  count: number,
  ads: readonly Advertisement[],
  where: Partial<Whereabouts>,
  matching: Partial<Matching> = {},
) {
  const need = description(count, { where: { ...ANYWHERE, ...where } });
  const specification = match(need, ads, NOW, { demand: DEMAND, ...matching });
  const reasons = new Map(specification.refused.map(({ ip, node, reason }) => [ip || node, reason]));
  return { ...specification, ips: specification.chosen.map(({ ip }) => ip), reasons, specification };
}

const at = (site: string, ...numbers: number[]) => numbers.map((number) => advertisement(number, { site }));
const ip = (number: number) => `10.77.0.${number}`;

test("only sites that are asked for, and none that are to be avoided", () => {
  const ads = [...at("oslo", 1), ...at("rome", 2), ...at("", 3), ...at("bonn", 4)];
  const wanted = placed(4, ads, { sites: ["oslo", "rome"], avoidSites: ["rome"] });
  assert.deepEqual(wanted.ips, [ip(1)]);
  assert.equal(wanted.reasons.get(ip(2)), "is at rome, which is to be avoided");
  assert.equal(wanted.reasons.get(ip(3)), "is at no known site, not at one asked for");
  assert.equal(wanted.reasons.get(ip(4)), "is at bonn, not at one asked for");
  assert.match(tooFew(wanted.specification, 4).sentence, /; ask for other sites or other nodes or fewer/);
});

test("a load above the highest that will do is refused, and so is one that nobody knows", () => {
  const ads = [{ load: 2.5 }, { load: 2.501 }, {}].map((load, index) => advertisement(index + 1, load));
  const idle = placed(3, ads, { maxLoad: 2.5 });
  assert.deepEqual(idle.ips, [ip(1)]);
  assert.equal(idle.reasons.get(ip(2)), "has a load of 2.50, more than 2.5");
  assert.equal(idle.reasons.get(ip(3)), "has a load that nobody knows");
  assert.match(tooFew(idle.specification, 3).sentence, /; ask for a higher load or any load or fewer nodes$/);
});

test("a silent node is explained by what a monitor tells of its machine, and is none the better for it", () => {
  const silent = { heard: NOW - SILENT_SECONDS - 30 };
  const ads = [advertisement(1, { ...silent, monitored: NOW - 10 }), advertisement(2, silent)];
  const none = placed(1, ads, {});
  assert.deepEqual(none.ips, []);
  assert.equal(
    none.reasons.get(ip(1)),
    "has not been heard for 2 minutes, though a monitor tells of its machine",
  );
  assert.equal(none.reasons.get(ip(2)), "has not been heard for 2 minutes");
});

test("regions are shared evenly, with what the slice has in them, and the unknown as one of them", () => {
  const region = (name: string | undefined, ...numbers: number[]) =>
    numbers.map((number) => advertisement(number, { region: name }));
  const ads = [...region("eu", 1, 2, 3, 4, 5), ...region("us", 6, 7), ...region(undefined, 8, 9)];
  const six = placed(6, ads, { spread: "region" });
  assert.deepEqual(six.ips, [ip(1), ip(6), ip(8), ip(2), ip(7), ip(9)]);
  const held = [2, 3].map((number) => ({ node: nodeName(number) }));
  assert.deepEqual(placed(3, ads, { spread: "region" }, { held }).ips, [ip(6), ip(8), ip(7)]);
});

test("a site that says it is in several countries is taken for the one that has fewest", () => {
  const one = (number: number, site: string, country: string) => advertisement(number, { site, country });
  const ads = [one(1, "cloud", "de"), one(2, "cloud", "fr"), one(3, "berlin", "de"), one(4, "bonn", "de")];
  const two = placed(2, ads, { distinctSites: true, spread: "country" });
  assert.deepEqual(new Set(two.chosen.map(({ country }) => country)), new Set(["de", "fr"]));
  const three = placed(4, ads, { distinctSites: true, spread: "country" });
  assert.equal(three.ips.length, 3);
  assert.ok(three.ips.includes(ip(2)), "or Germany would have all three");
});

test("a node to be included is among the chosen though others would be better, by address or identity", () => {
  const ads = [...at("oslo", 1, 2), withMemory(3, 200, { site: "oslo", liveness: 0.1 }), ...at("rome", 4)];
  assert.deepEqual(placed(2, ads, { include: [ip(3)] }).ips, [ip(3), ip(4)]);
  assert.deepEqual(placed(2, ads, { include: [nodeName(3), ip(3)] }).ips, [ip(3), ip(4)]);
});

test("where a node to be included cannot be had there is nothing, and it is said why", () => {
  const ads = [advertisement(1), advertisement(2, { heard: NOW - 600 }), advertisement(3)];
  const none = placed(2, ads, { include: [ip(2)] });
  assert.deepEqual([none.ips, none.standby, none.spare.length], [[], [], 2]);
  assert.equal(
    tooFew(none.specification, 2).sentence,
    "0 of the 2 nodes needed fit: 10.77.0.2 has to be among them and has not been heard for 10 minutes; " +
      "ask again later, or do not include it",
  );
  assert.equal(
    explanationOf(none.specification),
    "10.77.0.2 has to be among them and has not been heard for 10 minutes; " +
      "1 of 3 nodes is left out: 10.77.0.2 has not been heard for 10 minutes",
  );
  assert.equal(adviceOf(none.specification), "ask again later, or do not include it");
  const stranger = placed(2, ads, { include: ["10.9.9.9"] });
  assert.equal(stranger.reasons.get("10.9.9.9"), "is advertised by no agent");
  assert.deepEqual(stranger.ips, []);
});

test("two nodes to be included at one site are too many where sites are to be distinct", () => {
  const both = placed(2, at("oslo", 1, 2), { distinctSites: true, include: [ip(1), ip(2)] });
  assert.deepEqual(both.ips, []);
  assert.equal(both.reasons.get(ip(2)), "is at oslo, where another node is that has to be there");
});

test("a slice that has nodes gets others, and keeps the place of one to be included that is away", () => {
  const ads = [...at("oslo", 1), ...at("rome", 2, 3), advertisement(4, { heard: undefined })];
  const held = [{ node: nodeName(1) }];
  const where = { include: [ip(1), ip(4)] };
  const two = placed(2, ads, where, { wanted: 2, held });
  assert.deepEqual(two.ips, [ip(2)], "one of the two is kept for the node that is away");
  assert.deepEqual(
    two.unmet?.map((refusal) => refusal.ip),
    [ip(4)],
  );
  assert.equal(two.reasons.get(ip(1)), "has the slice");
});

test("what is left out is told with counts, the most frequent reason first, and with what to ask for", () => {
  const silent = [1, 2, 3, 4].map((number) => advertisement(number, { heard: NOW - 60 * number - 60 }));
  const small = [5, 6].map((number) => withMemory(number, 10 * number));
  const odd = advertisement(7, { heard: undefined });
  const { specification } = placed(1, [...small, ...silent, odd, advertisement(8)], {});
  assert.equal(
    explanationOf(specification),
    "7 of 8 nodes are left out: 4 have not been heard for 90 s, 2 have less than 128 MiB of memory free, " +
      "10.77.0.7 has never reported to its agent",
  );
  assert.equal(adviceOf(specification), "ask for less or fewer nodes, or again later");
  const { specification: all } = placed(1, [advertisement(8)], {});
  assert.deepEqual([explanationOf(all), adviceOf(all)], ["", ""]);
});
