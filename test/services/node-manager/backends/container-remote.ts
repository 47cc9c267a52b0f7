import { createInterface } from "node:readline";
import { containerBackend } from "#services/node-manager/backends/container/engine.ts";
import { run } from "#test/contract/backend.ts";
import { leftovers } from "./container-bench.ts";

// A process with a container backend of its own, so that it can be put into another network namespace: it does what
// the lines of its input say, one JSON array each, and answers each with a line.
const options = JSON.parse(process.argv[2]!);
const backend = await containerBackend({ ...options, images: ["busybox"], now: () => 1_900_000_000 });

const deeds: Record<string, (...words: never[]) => Promise<unknown>> = {
  ensure: backend.ensure.bind(backend),
  stop: backend.stop.bind(backend),
  remove: backend.remove.bind(backend),
  list: backend.list.bind(backend),
  usage: backend.usage.bind(backend),
  addresses: async () => [...(backend.addresses?.() ?? [])],
  notes: async () => backend.statement.notes ?? [],
  abilities: async () => backend.statement.abilities,
  sh: (id: string, script: string) => run(backend, id, { argv: ["sh", "-c", script] }),
  leftovers: () => leftovers(options.node, options.stateDirectory),
};
for await (const line of createInterface({ input: process.stdin })) {
  const [deed, ...words] = JSON.parse(line);
  console.log(JSON.stringify((await deeds[deed]!(...(words as never[]))) ?? null));
}
