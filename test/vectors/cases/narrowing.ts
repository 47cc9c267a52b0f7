import { formatInstant, type Instant } from "#shared/model/time.ts";
import {
  DAY,
  during,
  HOUR,
  type HoldingOverrides,
  KEYS,
  NOW,
  type Sealed,
  type SliceTicketOverrides,
  sealedHolding,
  sealedRoot,
  sealedSliceTicket,
} from "#test/support/documents.ts";
import type { Vector } from "../vector.ts";
import { refused, taken } from "./chains.ts";

/** Every row of the table in WIRE.md §1: as far as a child may go, and one further, in every direction. */

/** A root that restricts everything that can be restricted, so that every row has something to widen. */
const root = sealedRoot({
  slicePrefix: "princeton",
  ceilings: { cpuMillis: 1000, egressKbps: 5000 },
  engine: "container",
  image: "debian-12",
  ports: [
    { protocol: "tcp", from: 8000, to: 8099 },
    { protocol: "tcp", from: 8100, to: 8199 },
  ],
  administrative: ["CAP_NET_RAW", "CAP_SYS_TIME"],
  resources: { cpuMillis: 4000, memoryMib: 2048, diskMib: 8192, egressKbps: 2000, slivers: 4 },
  validity: during(NOW - HOUR, 2 * DAY),
  term: during(NOW, 10 * DAY),
});
const above = root.ticket;

const slice = (overrides: SliceTicketOverrides = {}) =>
  sealedSliceTicket(root, { slice: "princeton_dns", ...overrides });
const held = (overrides: HoldingOverrides = {}) =>
  sealedHolding(root, { validity: above.validity, term: above.term, ...overrides });

export function narrowingVectors(): Vector[] {
  return [...asFarAsItGoes(), ...slices(), ...holdings(), ...unrestricted(), ...windows()];
}

function asFarAsItGoes(): Vector[] {
  const everything = {
    term: above.term,
    validity: above.validity,
    ports: above.ports,
    administrative: above.administrative,
  };
  const { slivers: _, ...resources } = above.resources;
  return [
    taken(
      "equal-slice-ticket",
      slice({ ...everything, slice: "princeton", renewableUntil: above.term.end, resources }),
      "a slice ticket for all of it",
    ),
    taken(
      "equal-holding",
      held({ ...everything, resources: above.resources, splits: 2 }),
      "a holding of all of it",
      "holding",
    ),
    taken("longer-prefix", held({ slicePrefix: "princeton_dns" }), "a longer prefix", "holding"),
    taken(
      "ports-across-ranges",
      slice({ ports: [{ protocol: "tcp", from: 8050, to: 8150 }] }),
      "ports of two ranges that touch",
    ),
    taken("fewer-capabilities", slice({ administrative: ["CAP_SYS_TIME"] }), "one capability of two"),
    taken("not-administrative", slice(), "none of them"),
    taken("lower-ceilings", slice({ ceilings: { cpuMillis: 999, egressKbps: 4999 } }), "lower ceilings"),
    taken("replaces", held({ replaces: "ab".repeat(32) }), "a holding that replaces another", "holding"),
    taken("overbooked", held({ overbooking: 2000 }), "a factor is declared, not narrowed", "holding"),
  ];
}

function slices(): Vector[] {
  const { term, validity, resources, ports } = above;
  const wider: [string, SliceTicketOverrides, string][] = [
    ["node", { node: KEYS.otherNode.public.name }, "another node than the holding's"],
    ["ip", { ip: "10.77.0.2" }, "another address"],
    ["slice-outside-prefix", { slice: "princetonx" }, "a name that only begins alike"],
    ["slice-elsewhere", { slice: "harvard_dns" }, "a name under another prefix"],
    ["validfrom", { validity: { start: validity.start - 1, end: NOW } }, "usable a second earlier"],
    [
      "validto",
      {
        validity: { start: NOW, end: validity.end + 1 },
        term: { start: NOW, end: validity.end + 1 },
        renewableUntil: term.end,
      },
      "usable a second longer",
    ],
    ["start", { term: { start: term.start - 1, end: NOW + DAY } }, "a term that starts a second earlier"],
    [
      "end",
      { term: { start: NOW, end: term.end + 1 }, renewableUntil: term.end + 1 },
      "a term that ends a second later",
    ],
    ["renewable-until", { renewableUntil: term.end + 1 }, "renewable a second further"],
    [
      "cpu",
      { resources: { cpuMillis: resources.cpuMillis + 1, memoryMib: 1, diskMib: 1, egressKbps: 0 } },
      "a thousandth of a core more",
    ],
    [
      "memory",
      { resources: { cpuMillis: 0, memoryMib: resources.memoryMib + 1, diskMib: 1, egressKbps: 0 } },
      "a MiB of memory more",
    ],
    [
      "disk",
      { resources: { cpuMillis: 0, memoryMib: 1, diskMib: resources.diskMib + 1, egressKbps: 0 } },
      "a MiB of disk more",
    ],
    [
      "egress",
      { resources: { cpuMillis: 0, memoryMib: 1, diskMib: 1, egressKbps: resources.egressKbps + 1 } },
      "a kbit/s more",
    ],
    ["ceiling-cpu", { ceilings: { cpuMillis: 1001, egressKbps: 5000 } }, "a higher ceiling of cpu"],
    ["ceiling-egress", { ceilings: { cpuMillis: 1000, egressKbps: 5001 } }, "a higher ceiling of egress"],
    ["ceiling-cpu-dropped", { ceilings: { egressKbps: 5000 } }, "no ceiling of cpu where there was one"],
    ["ceiling-egress-dropped", { ceilings: { cpuMillis: 1000 } }, "no ceiling of egress where there was one"],
    ["ceilings-dropped", { ceilings: {} }, "no ceilings where there were two"],
    ["engine", { engine: "microvm" }, "another engine"],
    ["engine-dropped", { engine: undefined }, "any engine where one was named"],
    ["image", { image: "debian-13" }, "another image"],
    ["image-dropped", { image: undefined }, "any image where one was named"],
    [
      "port-below",
      { ports: [{ protocol: "tcp", from: ports[0]!.from - 1, to: 8000 }] },
      "a port below the range",
    ],
    ["port-above", { ports: [{ protocol: "tcp", from: 8100, to: 8200 }] }, "a port above the range"],
    [
      "port-protocol",
      { ports: [{ protocol: "udp", from: 8000, to: 8000 }] },
      "the same port of the other protocol",
    ],
    ["capability", { administrative: ["CAP_NET_RAW", "CAP_SYS_ADMIN"] }, "one capability more"],
  ];
  return wider.map(([name, overrides, why]) => refused(`wider-slice-${name}`, slice(overrides), why));
}

function holdings(): Vector[] {
  const { term, validity, resources } = above;
  const wider: [string, HoldingOverrides, string][] = [
    ["splits", { splits: 3 }, "as many links as its parent"],
    ["node", { node: KEYS.otherNode.public.name }, "another node than its parent's"],
    ["ip", { ip: "10.77.0.2" }, "another address"],
    ["prefix-shorter", { slicePrefix: "prince" }, "a shorter prefix"],
    ["prefix-dropped", { slicePrefix: undefined }, "any name where a prefix was given"],
    ["validfrom", { validity: { ...validity, start: validity.start - 1 } }, "splittable a second earlier"],
    ["validto", { validity: { ...validity, end: validity.end + 1 } }, "splittable a second longer"],
    ["start", { term: { ...term, start: term.start - 1 } }, "a term that starts a second earlier"],
    ["end", { term: { ...term, end: term.end + 1 } }, "a term that ends a second later"],
    [
      "cpu",
      { resources: { ...resources, cpuMillis: resources.cpuMillis + 1 } },
      "a thousandth of a core more",
    ],
    ["slivers", { resources: { ...resources, slivers: resources.slivers + 1 } }, "a sliver more"],
    ["ceiling-dropped", { ceilings: { egressKbps: 5000 } }, "no ceiling of cpu where there was one"],
    ["engine-dropped", { engine: undefined }, "any engine where one was named"],
    ["image-dropped", { image: undefined }, "any image where one was named"],
    ["port-above", { ports: [{ protocol: "tcp", from: 8000, to: 8200 }] }, "a port above the ranges"],
    ["capability", { administrative: ["CAP_NET_RAW", "CAP_SYS_ADMIN"] }, "one capability more"],
  ];
  return wider.map(([name, overrides, why]) =>
    refused(`wider-holding-${name}`, held(overrides), why, "BAD_CHAIN", "holding"),
  );
}

/** What a holding that says nothing does not give: absent is not "any" for these. */
function unrestricted(): Vector[] {
  const bare = sealedRoot({ ports: [], resources: { ...above.resources, slivers: 0 } });
  const some = sealedRoot({ ports: [] });
  const port = { protocol: "tcp", from: 8080, to: 8080 } as const;
  return [
    refused("wider-no-slivers", sealedSliceTicket(bare), "a sliver where there is none"),
    refused("wider-no-ports", sealedSliceTicket(some, { ports: [port] }), "a port where there is none"),
    refused(
      "wider-administrative",
      sealedSliceTicket(some, { administrative: ["CAP_NET_RAW"] }),
      "administrative under a holding that is not",
    ),
    taken(
      "restricts-first",
      sealedSliceTicket(some, { engine: "microvm", image: "debian-13", ceilings: { cpuMillis: 1 } }),
      "what the holding leaves open, its child may settle",
    ),
  ];
}

/** Clock slack is 300 s at both ends of every window in the chain, and nowhere else. */
function windows(): Vector[] {
  const late = sealedSliceTicket(root, {
    slice: "princeton_dns",
    validity: during(NOW, HOUR),
    term: during(NOW, HOUR),
    renewableUntil: NOW + DAY,
  });
  const parentEnds = sealedHolding(root, { validity: during(NOW - HOUR, HOUR), term: above.term });
  const inside = sealedSliceTicket(parentEnds, { slice: "princeton_dns", validity: during(NOW - 60, 60) });
  const at = (seconds: number) => formatInstant((NOW + seconds) as Instant);
  const ticket: Sealed = slice();
  return [
    taken(
      "window-earliest",
      ticket,
      "300 s before its window: a clock may be late",
      "slice ticket",
      at(-300),
    ),
    refused("window-too-early", ticket, "301 s before its window", "NOT_YET_VALID", "slice ticket", at(-301)),
    taken(
      "window-latest",
      ticket,
      "299 s after the last second of its window",
      "slice ticket",
      at(HOUR + 299),
    ),
    refused(
      "window-too-late",
      ticket,
      "300 s after its window, which is half-open",
      "EXPIRED",
      "slice ticket",
      at(HOUR + 300),
    ),
    taken("window-of-parent-latest", inside, "the slack of a parent's window", "slice ticket", at(299)),
    refused("window-of-parent-over", inside, "a parent's window is over", "EXPIRED", "slice ticket", at(300)),
    taken("term-last-second", late, "the last second of its term", "slice ticket", at(HOUR - 1)),
    refused(
      "term-over",
      late,
      "terms have no slack: it is over, though its window would still do",
      "EXPIRED",
      "slice ticket",
      at(HOUR),
    ),
  ];
}
