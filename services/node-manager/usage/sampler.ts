import pLimit from "p-limit";
import { Fault } from "#shared/model/errors.ts";
import type { EngineName } from "#shared/model/ticket.ts";
import type { Log } from "#shared/runtime/log.ts";
import type { SliverId, Usage } from "../backends/backend.ts";
import { byDeadline } from "../deadline.ts";
import { type Engines, engineOf } from "../engines/engines.ts";
import type { StoredLease } from "../store/lease-rows.ts";
import type { UsageHistory } from "./history.ts";

export type SamplerDeps = {
  /** The leases whose slivers are looked at. */
  readonly live: () => readonly Pick<StoredLease, "sliver" | "engine">[];
  readonly engines: Engines;
  readonly history: UsageHistory;
  /** Milliseconds of a clock that nobody can set. */
  readonly uptime: () => number;
  readonly log: Log;
  readonly everyMs: number;
  /** How long an engine is waited for, for one sliver. */
  readonly patienceMs?: number;
};

export type UsageSampler = AsyncDisposable & {
  /** Looks at every sliver once; joins the round that is under way. */
  round(): Promise<void>;
};

const PATIENCE_MILLISECONDS = 5_000;
const AT_ONCE = 4;

/**
 * Asks the engines now and then what each sliver uses. An engine that is slow or fails keeps nobody waiting: what it last
 * said stands, and a sliver of which it still owes an answer is not asked about again.
 */
export function startUsageSampler(deps: SamplerDeps): UsageSampler {
  const { live, engines, history, uptime, log } = deps;
  const { everyMs, patienceMs: withinMs = PATIENCE_MILLISECONDS } = deps;
  const owed = new Set<SliverId>();
  const limit = pLimit(AT_ONCE);
  const ending = new AbortController();
  let running: Promise<void> | undefined;

  async function ask(sliver: SliverId, engine: EngineName): Promise<Usage> {
    return await engineOf(engines, engine).usage(sliver, { withoutDisk: true });
  }

  async function look({ sliver, engine }: Pick<StoredLease, "sliver" | "engine">): Promise<void> {
    if (ending.signal.aborted || owed.has(sliver)) return;
    owed.add(sliver);
    const asked = ask(sliver, engine).finally(() => owed.delete(sliver));
    const late = () => new Fault("BACKEND_FAILED", "the engine does not answer");
    try {
      const usage = await byDeadline(asked, { withinMs, late, signal: ending.signal });
      history.record(sliver, usage, uptime());
    } catch (error) {
      if (!ending.signal.aborted) log.debug({ err: error, sliver }, "what a sliver uses is not known");
    }
  }

  async function all(): Promise<void> {
    const leases = live();
    history.keep(new Set(leases.map(({ sliver }) => sliver)));
    await Promise.all(leases.map((lease) => limit(look, lease)));
  }

  function round(): Promise<void> {
    running ??= all().finally(() => {
      running = undefined;
    });
    return running;
  }

  function turn(): void {
    round().catch((error) => log.warn({ err: error }, "what slivers use could not be looked at"));
  }

  const timer = setInterval(turn, everyMs);
  turn();
  return {
    round,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      ending.abort();
      await running?.catch(() => undefined); // it was told above
    },
  };
}
