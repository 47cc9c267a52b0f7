import { systemClock } from "#shared/runtime/clock.ts";
import { runServiceManager } from "./service.ts";
import { Interrupted } from "./terminal/exit-code.ts";

const interruption = new AbortController();
// The first signal ends the command in order; a second one is Node's own affair, and ends it at once.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => interruption.abort(new Interrupted()));
}
// A reader that has seen enough, such as head, is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  interruption.abort(new Interrupted());
});

process.exitCode = await runServiceManager(process.argv.slice(2), {
  out: (text) => new Promise((resolve) => process.stdout.write(text, () => resolve())),
  err: (text) => process.stderr.write(text),
  live: process.stderr.isTTY === true,
  colours: process.stdout.isTTY === true && !process.env.NO_COLOR,
  env: process.env,
  clock: systemClock(),
  interrupted: interruption.signal,
});
