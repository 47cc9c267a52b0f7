import { setTimeout as pause } from "node:timers/promises";
import { z } from "zod";
import { Fault } from "#shared/model/errors.ts";
import { loadConfig } from "#shared/runtime/config.ts";
import type { CompositionOptions } from "./composition.ts";
import { compose } from "./composition.ts";

/**
 * The service `setup` of docker-compose.yml: makes everything the others need before they start, and ends. Run again, it
 * changes nothing that is there. Exits with 1, and the reason, when it could not.
 */
const settings = z.strictObject({
  home: z.string().default("/testbed"),
  subnet: z
    .string()
    .regex(
      /^(\d{1,3}\.){2}\d{1,3}$/,
      "must be the first three numbers of the network's addresses, as 10.76.0",
    )
    .default("10.76.0"),
  images: z
    .array(z.string().regex(/^[\w.-]{1,64}$/, "must be names of images"))
    .min(1)
    .default(["busybox"]),
  database: z.string(),
});

const PATIENCE_MILLISECONDS = 60_000;
const LOOK_AGAIN_MILLISECONDS = 500;

async function main(): Promise<void> {
  const read = loadConfig(settings, {
    env: process.env,
    prefix: "SLICELAB_COMPOSE",
    aliases: { DATABASE_URL: "database" },
  });
  const { agent, nodes } = await patiently(read);
  say(`the agent will be at ${agent.tls}, its page at ${agent.web}, ${nodes.length} nodes beside it`);
}

/** A PostgreSQL that is only just being made answers for a moment, and then starts anew. */
async function patiently(options: CompositionOptions): ReturnType<typeof compose> {
  const until = performance.now() + PATIENCE_MILLISECONDS;
  for (;;) {
    try {
      return await compose(options);
    } catch (error) {
      const isDown = error instanceof Fault && error.name === "STORE_DOWN";
      if (!isDown || performance.now() > until) throw error;
      await pause(LOOK_AGAIN_MILLISECONDS);
    }
  }
}

function say(line: string): void {
  process.stderr.write(`setup: ${line}\n`);
}

try {
  await main();
} catch (error) {
  say((error as Error).message);
  process.exitCode = 1;
}
