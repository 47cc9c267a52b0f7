import { systemClock } from "#shared/runtime/clock.ts";
import { runBroker } from "./commands.ts";

const code = await runBroker(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  env: process.env,
  clock: systemClock(),
});
if (code !== 0) process.exitCode = code;
