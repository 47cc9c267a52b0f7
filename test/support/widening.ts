import { CAPABILITIES } from "#shared/model/capability.ts";
import type { PortRange } from "#shared/model/ports.ts";
import { CEILING_DIMENSIONS, RESOURCE_DIMENSIONS } from "#shared/model/resources.ts";
import { ENGINES, type Holding, type SliceTicket, type Ticket } from "#shared/model/ticket.ts";
import { KEYS } from "./documents.ts";

/** A child that says more than its parent in one element, and the row of the narrowing table that forbids it. */
export type Widening = { readonly element: string; readonly how: string; readonly child: Ticket };

/** Every way in which `child`, which its parent allows, can be made to say `by` more than that. */
export function widenings(parent: Holding, child: Ticket, by: number): Widening[] {
  const wider = (element: string, how: string, change: Partial<Holding> & Partial<SliceTicket>) => ({
    element,
    how,
    child: { ...child, ...change } as Ticket,
  });
  const mallory = KEYS.mallory.public.name;
  return [
    wider("issuer_sha256", "another issuer", { issuer: mallory }),
    wider("node_sha256", "another node", { node: mallory }),
    wider("ip", "another address", { ip: "192.0.2.1" }),
    ...widerTimes(parent, child, by).map(([element, how, change]) => wider(element, how, change)),
    ...widerAmounts(parent, child, by).map(([element, how, change]) => wider(element, how, change)),
    ...widerNames(parent, child).map(([element, how, change]) => wider(element, how, change)),
    ...widerMeans(parent, child).map(([element, how, change]) => wider(element, how, change)),
  ];
}

type Change = readonly [element: string, how: string, change: Partial<Holding> & Partial<SliceTicket>];

function widerTimes(parent: Holding, child: Ticket, by: number): Change[] {
  const { validity, term } = child;
  const window = "validfrom_time, validto_time";
  const times = "start_time, end_time";
  const pastTerm = parent.term.end + by;
  const renewable = child.kind === "slice" ? { renewableUntil: pastTerm } : {};
  const splits = child.kind === "holding" && parent.splits <= 2;
  return [
    [window, "usable earlier", { validity: { ...validity, start: parent.validity.start - by } }],
    [times, "starts earlier", { term: { ...term, start: parent.term.start - by } }],
    [times, "ends later", { term: { ...term, end: pastTerm }, ...renewable }],
    // A slice ticket that is usable past its term is wrong by itself already.
    ...(child.kind === "holding"
      ? ([[window, "usable longer", { validity: { ...validity, end: parent.validity.end + by } }]] as const)
      : ([["renewable_until_time", "renewable further", renewable]] as const)),
    ...(splits ? ([["splits", "as many links as its parent", { splits: parent.splits }]] as const) : []),
  ];
}

function widerAmounts(parent: Holding, child: Ticket, by: number): Change[] {
  const amounts = RESOURCE_DIMENSIONS.map(
    (d): Change => [
      "resources",
      `more ${d}`,
      { resources: { ...(child as Holding).resources, [d]: parent.resources[d] + by } },
    ],
  );
  const ceilings = CEILING_DIMENSIONS.filter((d) => parent.ceilings[d] !== undefined).flatMap(
    (d): Change[] => [
      [
        "ceilings",
        `a higher ceiling of ${d}`,
        { ceilings: { ...child.ceilings, [d]: parent.ceilings[d]! + by } },
      ],
      ["ceilings", `no ceiling of ${d}`, { ceilings: { ...child.ceilings, [d]: undefined } }],
    ],
  );
  if (child.kind === "slice") return [...amounts, ...ceilings];
  const slivers = { ...child.resources, slivers: parent.resources.slivers + by };
  return [...amounts, ...ceilings, ["resources slivers", "more slivers", { resources: slivers }]];
}

function widerNames(parent: Holding, child: Ticket): Change[] {
  const { slicePrefix } = parent;
  if (slicePrefix === undefined) return [];
  const elsewhere = slicePrefix === "elsewhere" ? "otherwise" : "elsewhere";
  const alike = slicePrefix.length < 15 ? `${slicePrefix}x` : slicePrefix.slice(0, -1);
  if (child.kind === "slice") {
    return [elsewhere, alike].map((slice) => ["slice", "a name beside the prefix", { slice }]);
  }
  return [undefined, elsewhere, alike].map((name) => [
    "slice_prefix",
    "no such prefix",
    { slicePrefix: name },
  ]);
}

function widerMeans(parent: Holding, child: Ticket): Change[] {
  const changes: Change[] = [];
  if (parent.engine !== undefined) {
    changes.push(["engine", "any engine", { engine: undefined }]);
    changes.push(["engine", "another engine", { engine: ENGINES.find((name) => name !== parent.engine)! }]);
  }
  if (parent.image !== undefined) {
    changes.push(["image", "any image", { image: undefined }]);
    changes.push(["image", "another image", { image: `${parent.image}x` }]);
  }
  for (const port of uncoveredPorts(parent.ports)) {
    changes.push(["ports", "one port more", { ports: [...child.ports, port] }]);
  }
  const more = CAPABILITIES.find((name) => !parent.administrative?.includes(name));
  if (more) {
    const administrative = [...(child.administrative ?? []), more];
    changes.push(["administrative", "one capability more", { administrative }]);
  }
  return changes;
}

/** Ports next to the ranges, and one of each protocol, that are in none of them. */
function uncoveredPorts(ranges: readonly PortRange[]): PortRange[] {
  const candidates = [
    ...ranges.flatMap((r) => [
      { protocol: r.protocol, port: r.from - 1 },
      { protocol: r.protocol, port: r.to + 1 },
    ]),
    { protocol: "tcp" as const, port: 7 },
    { protocol: "udp" as const, port: 7 },
  ];
  return candidates
    .filter(({ protocol, port }) => port >= 1 && port <= 65535 && !isIn(ranges, protocol, port))
    .map(({ protocol, port }) => ({ protocol, from: port, to: port }));
}

function isIn(ranges: readonly PortRange[], protocol: string, port: number): boolean {
  return ranges.some((r) => r.protocol === protocol && r.from <= port && port <= r.to);
}
