import pLimit from "p-limit";
import { Fault } from "#shared/model/errors.ts";
import type { EngineName } from "#shared/model/ticket.ts";
import type { Log } from "#shared/runtime/log.ts";
import { type Rounds, startRounds } from "#shared/runtime/rounds.ts";
import type { SliverId, Usage } from "../backends/backend.ts";
import { byDeadline } from "../deadline.ts";
import { type Engines, engineOf } from "../engines/engines.ts";
import type { StoredLease } from "../store/lease-rows.ts";
import type { UsageHistory } from "./history.ts";

type Looked = Pick<StoredLease, "sliver" | "engine">;

export type SamplerDeps = {
  /** The leases whose slivers are looked at. */
  readonly live: () => readonly Looked[];
  readonly engines: Engines;
  readonly history: UsageHistory;
  /** Told what each sliver uses, as it was looked at. */
  readonly onUsage: (sliver: SliverId, usage: Usage) => void;
  /** Milliseconds of a clock that nobody can set. */
  readonly uptime: () => number;
  readonly log: Log;
  readonly everyMs: number;
  /** How long an engine is waited for, for one sliver. */
  readonly patienceMs?: number;
};

const PATIENCE_MILLISECONDS = 5_000;
const AT_ONCE = 4;

/**
 * Asks the engines, round by round, what each sliver uses. An engine that is slow or fails keeps nobody waiting: what it last
 * said stands, and a sliver of which it still owes an answer is not asked about again.
 */
export function startUsageSampler(deps: SamplerDeps): Rounds {
  const { live, engines, history, onUsage, uptime, log } = deps;
  const { everyMs, patienceMs: withinMs = PATIENCE_MILLISECONDS } = deps;
  const owed = new Set<SliverId>();
  const limit = pLimit(AT_ONCE);

  async function ask(sliver: SliverId, engine: EngineName): Promise<Usage> {
    return await engineOf(engines, engine).usage(sliver, { withoutDisk: true });
  }

  async function look({ sliver, engine }: Looked, signal: AbortSignal): Promise<void> {
    if (signal.aborted || owed.has(sliver)) return;
    owed.add(sliver);
    const asked = ask(sliver, engine).finally(() => owed.delete(sliver));
    const late = () => new Fault("BACKEND_FAILED", "the engine does not answer");
    try {
      const usage = await byDeadline(asked, { withinMs, late, signal });
      history.record(sliver, usage, uptime());
      onUsage(sliver, usage);
    } catch (error) {
      if (!signal.aborted) log.debug({ err: error, sliver }, "what a sliver uses is not known");
    }
  }

  async function all(signal: AbortSignal): Promise<void> {
    const leases = live();
    history.keep(new Set(leases.map(({ sliver }) => sliver)));
    await Promise.all(leases.map((lease) => limit(look, lease, signal)));
  }

  const onFailure = (err: unknown) => log.warn({ err }, "what slivers use could not be looked at");
  return startRounds(all, { everyMs, onFailure });
}
