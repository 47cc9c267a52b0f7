import { systemClock } from "#shared/runtime/clock.ts";
import { runAuthority } from "./commands.ts";

const code = await runAuthority(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  now: new Date(systemClock().milliseconds()),
  env: process.env,
});
if (code !== 0) process.exitCode = code;
