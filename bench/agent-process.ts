import { monitorEventLoopDelay } from "node:perf_hooks";
import { loadAgentConfig } from "#services/agent/config.ts";
import { startAgent } from "#services/agent/service.ts";

/**
 * An agent in a process of its own that says how long its event loop was held: its parent sends "reset" and "report".
 * The argument is its configuration.
 */
const RESOLUTION_MS = 1;
const agent = await startAgent(loadAgentConfig(process.argv[2], process.env));
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();

process.on("message", (message) => {
  if (message === "reset") delay.reset();
  if (message === "report") {
    const ms = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
    process.send?.({ max: ms(delay.max), p99: ms(delay.percentile(99)) });
  }
  if (message === "stop") void agent[Symbol.asyncDispose]().then(() => process.disconnect());
});
process.send?.(agent.announce);
