import assert from "node:assert/strict";
import { test } from "node:test";
import { SILENT_SECONDS } from "#services/broker/matching/constraints.ts";
import { tooFew } from "#services/broker/matching/explanation.ts";
import { match } from "#services/broker/matching/matching.ts";
import type { Specification } from "#services/broker/matching/specification.ts";
import { ANYWHERE, type SliceDescription } from "#shared/model/slice-description.ts";
import { NOW } from "#test/support/documents.ts";
import { advertisement, DEMAND, description, nodeName, withMemory } from "../advertisements.ts";
import { matched } from "./matched.ts";

const chosenIps = (specification: Specification) => specification.chosen.map(({ ip }) => ip);

const reasonOf = (specification: Specification, number: number) =>
  specification.refused.find(({ node }) => node === nodeName(number))?.reason;

test("a need that only some engines meet is met by a node that has one, of the kind asked for", () => {
  const abilities = [
    { engine: "docker", abilities: ["terminal"] },
    { engine: "container", abilities: ["ports", "administrative"] },
  ];
  const ads = [advertisement(1, { engines: ["docker", "container"], abilities }), advertisement(2)];
  const verdict = (overrides: Partial<SliceDescription>) => {
    const { chosen, refused } = match(description(2, overrides), ads, NOW, { demand: DEMAND });
    return [chosen.map(({ ip }) => ip), refused.map(({ reason }) => reason)];
  };
  const [first] = [ads[0]!.ip];
  const ports = [{ protocol: "tcp" as const, from: 8080, to: 8080 }];
  const noPorts = "has no engine whose slivers are reached on ports of the node";
  assert.deepEqual(verdict({ ports }), [[first], [noPorts]]);
  assert.deepEqual(verdict({ anyPorts: { tcp: 0, udp: 1 } }), [[first], [noPorts]]);
  assert.deepEqual(verdict({ administrative: ["CAP_BPF"] }), [
    [first],
    ["has no engine that makes administrative slivers"],
  ]);
  assert.deepEqual(verdict({ ports, engine: "docker" })[0], []);
});

test("as many nodes as are wanted are chosen, then standbys, and the rest is spare", () => {
  const ads = [1, 2, 3, 4, 5].map((n) => advertisement(n));
  const { chosen, standby, spare, refused } = matched(
    ads,
    description(2, { nodes: { count: 2, atleast: 2, standby: 1 } }),
  );
  assert.deepEqual([chosen.length, standby.length, spare.length, refused.length], [2, 1, 2, 0]);
});

test("a node with too little of anything is refused, with what it has", () => {
  const specification = matched([withMemory(1, 64), advertisement(2)], description(2));
  assert.deepEqual(chosenIps(specification), ["10.77.0.2"]);
  assert.equal(reasonOf(specification, 1), "has 64 of 128 MiB of memory free");
});

test("a node with no sliver left is refused however much else it has", () => {
  const full = advertisement(1);
  const specification = matched([{ ...full, free: { ...full.free, slivers: 0 } }], description(1));
  assert.equal(reasonOf(specification, 1), "has 0 of 1 slivers free");
});

test("engine, image and tags must be what the node says of itself", () => {
  const eu = { tags: new Map([["region", ["eu"]]]) };
  const ads = [
    advertisement(1, { ...eu, engines: ["simulated"] }),
    advertisement(2, { ...eu, images: ["busybox"] }),
    advertisement(3, { tags: new Map([["region", ["us"]]]) }),
    advertisement(4),
    advertisement(5, eu),
  ];
  const where = { ...ANYWHERE, tags: [{ name: "region", value: "eu" }] };
  const specification = matched(ads, description(5, { engine: "container", image: "debian-12", where }));
  assert.deepEqual(chosenIps(specification), ["10.77.0.5"]);
  assert.equal(reasonOf(specification, 1), "does not run container (it runs simulated)");
  assert.equal(reasonOf(specification, 2), "does not have the image debian-12 (it has busybox)");
  assert.equal(reasonOf(specification, 3), "has region us, not eu");
  assert.equal(reasonOf(specification, 4), "says nothing of region, not eu");
});

test("a silent node is passed over, unless it was asked for by name", () => {
  const silent = advertisement(1, { heard: NOW - SILENT_SECONDS - 1 });
  const never = advertisement(2, { heard: undefined });
  const late = advertisement(3, { heard: NOW - SILENT_SECONDS });
  const specification = matched([silent, never, late], description(3));
  assert.deepEqual(chosenIps(specification), ["10.77.0.3"]);
  assert.equal(reasonOf(specification, 1), "has not been heard for 91 seconds");
  assert.equal(reasonOf(specification, 2), "has never reported to its agent");
  const named = description(2, { where: { ...ANYWHERE, nodes: [silent.ip, never.node] } });
  assert.deepEqual(new Set(chosenIps(matched([silent, never, late], named))), new Set([silent.ip, never.ip]));
});

test("a lease longer than a node is held for is refused with how long it could be", () => {
  const day = 86_400;
  const ads = [advertisement(1, { heldUntil: NOW + 400 * day - 1 }), advertisement(2)];
  const specification = matched(ads, description(2, { leaseSeconds: 900 * day }));
  assert.deepEqual(chosenIps(specification), ["10.77.0.2"]);
  const [refused] = specification.refused;
  assert.equal(refused?.reason, "is held by its agent for 399 days more, not for 900 days");
  assert.match(tooFew(specification, 2).sentence, /; ask for a lease of at most 399 days or fewer nodes$/);
  assert.equal(matched(ads, description(2, { leaseSeconds: 399 * day })).chosen.length, 2);
  const [first] = ads.map((ad) => ({ ...ad, maxLeaseSeconds: 28 * day }));
  const { sentence } = tooFew(matched([first!], description(1, { leaseSeconds: 900 * day })), 1);
  assert.match(
    sentence,
    /; ask for a lease of at most 28 days$/,
    "what its agent never gives is not advised",
  );
});

test("a refusal groups many nodes by what keeps them from fitting, and advises what would help", () => {
  const ads = [
    ...[1, 2, 3].map((n) => withMemory(n, 60 + n)),
    ...[4, 5].map((n) => advertisement(n, { heard: NOW - 1000 * n })),
    advertisement(6, { images: [] }),
    advertisement(7),
  ];
  const specification = matched(ads, description(2, { image: "debian-12" }));
  assert.equal(
    tooFew(specification, 2).sentence,
    "1 of the 2 nodes needed fit: of 6 nodes that do not, 3 have less than 128 MiB of memory free, " +
      "2 have not been heard for 90 s, 10.77.0.6 does not have the image debian-12 (it has none); " +
      "ask for less or another image or fewer nodes, or again later",
  );
});

test("no less is advised where it would not help", () => {
  const ads = [1, 2, 3, 4].map((n) => advertisement(n, { images: ["busybox"] }));
  const adviceFor = (overrides: Partial<SliceDescription>) =>
    tooFew(matched(ads, description(1, overrides)), 1)
      .sentence.split("; ")
      .at(-1);
  assert.equal(adviceFor({ image: "debian-12" }), "ask for another image");
  assert.equal(adviceFor({ engine: "microvm" }), "ask for another engine");
  assert.equal(adviceFor({ where: { ...ANYWHERE, nodes: ["10.77.0.9"] } }), "ask for other nodes");
  const eu = { ...ANYWHERE, tags: [{ name: "region", value: "eu" }] };
  assert.equal(adviceFor({ where: eu }), "ask for other nodes");
  const full = ads.map((ad) => ({ ...ad, free: { ...ad.free, memoryMib: 0 } }));
  assert.match(tooFew(matched(full, description(1)), 1).sentence, /; ask again later$/);
});

test("nodes asked for that nobody advertises are explained too", () => {
  const where = { ...ANYWHERE, nodes: ["10.77.0.1", "10.77.0.9"] };
  const specification = matched([advertisement(1), advertisement(2)], description(2, { where }));
  assert.deepEqual(chosenIps(specification), ["10.77.0.1"]);
  assert.equal(reasonOf(specification, 2), "is not among the nodes asked for");
  assert.equal(
    specification.refused.find(({ node }) => node === "10.77.0.9")?.reason,
    "is advertised by no agent",
  );
});

test("nodes to be avoided and nodes ruled out are refused for that reason", () => {
  const ruledOut = new Map([[nodeName(2), "has the slice"]]);
  const where = { ...ANYWHERE, avoid: ["10.77.0.1"] };
  const specification = matched(
    [1, 2, 3].map((n) => advertisement(n)),
    description(3, { where }),
    { ruledOut },
  );
  assert.deepEqual(chosenIps(specification), ["10.77.0.3"]);
  assert.equal(reasonOf(specification, 1), "is to be avoided");
  assert.equal(reasonOf(specification, 2), "has the slice");
});

test("every site gets one sliver before any gets two", () => {
  const at = (n: number, site: string, memory: number) => withMemory(n, memory, { site });
  const ads = [at(1, "a", 8000), at(2, "a", 7900), at(3, "a", 7800), at(4, "b", 2000), at(5, "c", 1000)];
  const specification = matched(ads, description(4));
  assert.deepEqual(chosenIps(specification), ["10.77.0.1", "10.77.0.4", "10.77.0.5", "10.77.0.2"]);
});

test("sites the slice has already come last", () => {
  const ads = [advertisement(1, { site: "a" }), advertisement(2, { site: "b" })];
  assert.deepEqual(chosenIps(matched(ads, description(1), { held: [{ node: nodeName(9), site: "a" }] })), [
    "10.77.0.2",
  ]);
});

test("where sites are to be distinct, a site never gets a second sliver, and an unknown site none", () => {
  const ads = [
    withMemory(1, 4000, { site: "a" }),
    withMemory(2, 8000, { site: "a" }),
    advertisement(3, { site: "" }),
    advertisement(4, { site: "b" }),
  ];
  const where = { ...ANYWHERE, distinctSites: true };
  const specification = matched(ads, description(4, { where }), { held: [{ node: nodeName(9), site: "b" }] });
  assert.deepEqual(chosenIps(specification), ["10.77.0.2"]);
  assert.equal(reasonOf(specification, 1), "is at a, where the slice has a better node");
  assert.match(reasonOf(specification, 3) ?? "", /no known site/);
  assert.match(reasonOf(specification, 4) ?? "", /is at b/);
});

test("nodes of no known site do not count as being at one site", () => {
  const ads = [1, 2, 3].map((n) => withMemory(n, 1000 * n, { site: "" }));
  assert.deepEqual(chosenIps(matched(ads, description(3))), ["10.77.0.3", "10.77.0.2", "10.77.0.1"]);
});

test("a node advertised by two agents is one node, taken from the agent with more room", () => {
  const [poor, rich] = [withMemory(1, 200, { agent: "poor" }), withMemory(1, 4000, { agent: "rich" })];
  const specification = matched([poor, rich], description(2));
  assert.deepEqual(
    specification.chosen.map(({ agent }) => agent),
    ["rich"],
  );
});
