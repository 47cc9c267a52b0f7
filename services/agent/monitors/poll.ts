import { Fault, refuseUnless } from "#shared/model/errors.ts";
import type { Clock } from "#shared/runtime/clock.ts";
import type { Database } from "#shared/runtime/database.ts";
import { readDump } from "#shared/wire/ganglia/dump-reader.ts";
import { type Condition, type PollName, saveConditions } from "../store/monitors/conditions.ts";
import { type DumpAddress, dumpChunks } from "./dump-connection.ts";
import { conditionOf } from "./host-condition.ts";

/** What one dump may be. */
export type PollLimits = {
  readonly hosts: number;
  readonly bytes: number;
  readonly metricsOfHost: number;
  readonly milliseconds: number;
};

/** Twice the largest fleet, at the size that a busy gmond's hosts have. */
export const POLL_LIMITS: PollLimits = {
  hosts: 20_000,
  bytes: 256 * 2 ** 20,
  metricsOfHost: 5000,
  milliseconds: 60_000,
};

/** What was found: hosts told of, and how many tellings were about nodes of this agent. */
export type PollCount = { readonly hosts: number; readonly nodes: number };

export type PollParts = {
  readonly database: Database;
  readonly clock: Clock;
  readonly limits: PollLimits;
};

/** Conditions that are written down at once. */
const BATCH = 500;

/**
 * Reads a monitor's dump and writes down what it tells, a few hundred hosts at a time. What was told before a dump broke
 * off, or went beyond its limits, counts. Throws MALFORMED, TOO_LARGE, or what Node says of the connection; a dump that
 * took too long, a TimeoutError.
 */
export async function poll(
  { database, clock, limits }: PollParts,
  address: DumpAddress,
  name: PollName,
  stopping: AbortSignal,
): Promise<PollCount> {
  const signal = AbortSignal.any([stopping, AbortSignal.timeout(limits.milliseconds)]);
  const chunks = dumpChunks(address, signal);
  const dump = readDump(chunks, { maxBytes: limits.bytes, maxMetricsOfHost: limits.metricsOfHost });
  let [hosts, nodes] = [0, 0];
  let found: Condition[] = [];
  async function save(): Promise<void> {
    if (found.length === 0) return;
    nodes += await saveConditions(database, name, found, clock.now());
    found = [];
  }
  try {
    for await (const host of dump) {
      hosts += 1;
      refuseUnless(hosts <= limits.hosts, "TOO_LARGE", `the dump has more than ${limits.hosts} hosts`);
      found.push(conditionOf(host, clock.now()));
      if (found.length >= BATCH) await save();
    }
  } catch (error) {
    if (!isStoreFailure(error)) await save();
    throw error;
  }
  await save();
  return { hosts, nodes };
}

/** Whether it was this agent's database that failed, and nothing the monitor did. */
export function isStoreFailure(error: unknown): boolean {
  return error instanceof Fault && (error.name === "STORE_DOWN" || error.name === "BUSY");
}
