import type { Advertisement } from "#services/broker/matching/specification.ts";
import type { Resources, Share } from "#shared/model/resources.ts";
import { plainDescription, type SliceDescription } from "#shared/model/slice-description.ts";
import { NOW } from "#test/support/documents.ts";

export const SMALL: Resources = { cpuMillis: 100, memoryMib: 128, diskMib: 512, egressKbps: 0 };
export const DEMAND: Share = { ...SMALL, slivers: 1 };
const WHOLE: Share = { cpuMillis: 4000, memoryMib: 8192, diskMib: 50_000, egressKbps: 100_000, slivers: 20 };

/** What an agent says of the node with this number; by default it is idle and just reported. */
export function advertisement(number: number, overrides: Partial<Advertisement> = {}): Advertisement {
  return {
    agent: "https://agent.example/RPC2",
    node: nodeName(number),
    ip: `10.77.0.${number}`,
    sslport: 8001,
    site: `site${number}`,
    tags: new Map(),
    engines: ["container"],
    images: ["debian-12"],
    abilities: [],
    simulated: false,
    resources: WHOLE,
    free: WHOLE,
    heard: NOW - 10,
    ...overrides,
  };
}

export function nodeName(number: number): string {
  return number.toString(16).padStart(64, "0");
}

export function description(count: number, overrides: Partial<SliceDescription> = {}): SliceDescription {
  return { ...plainDescription("oceanstore", count), resources: SMALL, ...overrides };
}

/** A node with this part of its memory free. */
export function withMemory(
  number: number,
  memoryMib: number,
  overrides: Partial<Advertisement> = {},
): Advertisement {
  return advertisement(number, { free: { ...WHOLE, memoryMib }, ...overrides });
}
