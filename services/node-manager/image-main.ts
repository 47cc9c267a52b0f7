import { systemClock } from "#shared/runtime/clock.ts";
import { runImage } from "./image-commands.ts";

const clock = systemClock();
process.exitCode = await runImage(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  now: () => clock.now(),
});
