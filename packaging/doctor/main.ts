import { systemClock } from "#shared/runtime/clock.ts";
import { runDoctor } from "./commands.ts";

process.exitCode = await runDoctor(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  env: process.env,
  clock: systemClock(),
});
