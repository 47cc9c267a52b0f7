import { systemClock } from "#shared/runtime/clock.ts";
import { runAdministration } from "./administration/command-line.ts";

process.exitCode = await runAdministration(process.argv.slice(2), {
  out: (text) => new Promise((resolve) => process.stdout.write(text, () => resolve())),
  err: (text) => process.stderr.write(text),
  live: false,
  env: process.env,
  clock: systemClock(),
  interrupted: new AbortController().signal,
});
