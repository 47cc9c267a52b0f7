import { writeFileSync } from "node:fs";
import files from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";

/*
 * Loaded into a process from outside (`node --import`): kills it, as kill -9 does, at one step of its work on files.
 * A step is the moment before or after a file is opened, moved or removed or a directory is made. KILL_AT_STEP says
 * which; with 0 the process lives, and the number of steps it took is written to STEPS_FILE.
 */
const at = Number(process.env.KILL_AT_STEP);
let steps = 0;

function step(): void {
  steps += 1;
  if (steps !== at) return;
  process.kill(process.pid, "SIGKILL");
  for (;;); // not one instruction more
}

for (const name of ["open", "rename", "rm", "mkdir"] as const) {
  const real = files[name] as (...args: unknown[]) => Promise<unknown>;
  Object.assign(files, {
    async [name](...args: unknown[]) {
      step();
      const result = await real(...args);
      step();
      return result;
    },
  });
}
syncBuiltinESMExports();

process.on("exit", () => {
  if (at === 0) writeFileSync(process.env.STEPS_FILE!, String(steps));
});
