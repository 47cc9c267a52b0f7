import { systemClock } from "#shared/runtime/clock.ts";
import { runOwner } from "./owner/owner-commands.ts";

process.exitCode = await runOwner(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  env: process.env,
  clock: systemClock(),
});
