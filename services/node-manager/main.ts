import { runNodeManager } from "./commands.ts";

const code = await runNodeManager(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  env: process.env,
});
if (code !== 0) process.exitCode = code;
