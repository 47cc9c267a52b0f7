import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Backend, SliverFact, SliverState } from "#services/node-manager/backends/backend.ts";
import { simulatedBackend } from "#services/node-manager/backends/simulated.ts";

/** An engine whose machines are files, so that they outlive a process that is killed. `step` is told before and after each deed. */
export function directoryBackend(directory: string, step: (name: string) => void): Backend {
  mkdirSync(directory, { recursive: true });
  const fileOf = (id: string) => join(directory, id);

  async function deed(name: string, work: () => void): Promise<void> {
    step(`before ${name}`);
    work();
    step(`after ${name}`);
  }

  const { statement, exec, usage } = simulatedBackend();
  return {
    ...{ statement, exec, usage },
    ensure: ({ id }) => deed("ensure", () => writeFileSync(fileOf(id), "running")),
    stop: (id) =>
      deed("stop", () => {
        if (existsSync(fileOf(id))) writeFileSync(fileOf(id), "stopped");
      }),
    remove: (id) => deed("remove", () => rmSync(fileOf(id), { force: true })),
    list: async () => machinesIn(directory),
  };
}

/** What there is on that machine, whoever is running. */
export function machinesIn(directory: string): SliverFact[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .sort()
    .map((id) => ({ id, state: readFileSync(join(directory, id), "utf8") as SliverState }));
}
