import type { Instant } from "#shared/model/time.ts";
import { ago } from "#shared/web/age.ts";
import { SILENT_SECONDS } from "../issuing/offer.ts";
import type { SliceOverview } from "../store/inspection/overview.ts";
import type { Advertisement } from "../store/issuing/advertisements.ts";
import { FRESH_SECONDS, type KnownCondition } from "../store/monitors/conditions.ts";
import type { MonitorRecord } from "../store/monitors/monitors.ts";
import type { Shortage } from "./shortage.ts";

/** Everything an agent's pages are made of, of one moment: what is in the answers to plain methods, and what monitors tell. */
export type Fleet = {
  readonly now: Instant;
  readonly agent: string;
  readonly version: string;
  /** Per mille. */
  readonly overbooking: number;
  readonly ads: readonly Advertisement[];
  /** What monitors tell of these nodes beside what is advertised. */
  readonly conditions: ReadonlyMap<string, KnownCondition>;
  readonly monitors: readonly MonitorRecord[];
  readonly slices: readonly SliceOverview[];
  /** Slices that have fewer nodes than they were given. */
  readonly shortages: readonly Shortage[];
  /** How many nodes it knows of which it holds nothing now. */
  readonly idle: number;
  /** What the agent's operator should look after. */
  readonly concerns?: readonly string[];
  /** How many nodes or slices are read at most. */
  readonly limit: number;
};

export function isSilent({ heard }: Advertisement, now: Instant): boolean {
  return heard === undefined || now - heard > SILENT_SECONDS;
}

/** Why a node may be silent, as far as monitors can tell. Empty where none told of it. */
export function silence(ad: Advertisement, { conditions, now }: Fleet): string {
  if (ad.monitored === undefined) return "";
  if (now - ad.monitored > FRESH_SECONDS) return `monitors: ${ago(now - ad.monitored)}`;
  const manager = conditions.get(ad.node)?.manager;
  if (manager == null) return "monitors hear the machine";
  return now - manager > FRESH_SECONDS
    ? `the machine is up, its node manager was seen ${ago(now - manager)}`
    : "monitors see its node manager: it may not reach this agent";
}

/** The last poll of it failed. */
export function isFailing({ lastFailure, lastAnswer }: MonitorRecord): boolean {
  return lastFailure !== null && (lastAnswer === null || lastAnswer < lastFailure);
}
