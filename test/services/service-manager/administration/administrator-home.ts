import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "smol-toml";
import { runAdministration } from "#services/service-manager/administration/command-line.ts";
import { type TestIdentity, writeIdentity } from "../../../support/authority.ts";
import { temporaryDirectory } from "../../../support/directory.ts";
import type { AgentLab } from "../../agent/agent-lab.ts";

/** What one command line came to. */
export type Administered = { readonly code: number; readonly out: string; readonly err: string };

export type AdministratorHome = AsyncDisposable & {
  readonly path: string;
  /** A file in the home, by its path. */
  file(name: string, content: string): Promise<string>;
  admin(...argv: string[]): Promise<Administered>;
};

/** A home whose `slicelab admin` calls the lab's agent as `identity`. */
export async function administratorHome(lab: AgentLab, identity: TestIdentity): Promise<AdministratorHome> {
  const directory = await temporaryDirectory();
  const home = join(directory.path, "home");
  await mkdir(home);
  const own = await writeIdentity(home, "admin", identity.tls);
  const agents = [{ url: lab.agent.announce.tls, identity: lab.agent.announce.agent }];
  const config = { authority: own.ca, key: own.key, certificate: own.cert, agents };
  await writeFile(join(home, "config.toml"), stringify(config));
  return {
    path: home,
    async file(name, content) {
      await writeFile(join(home, name), content);
      return join(home, name);
    },
    async admin(...argv) {
      const said = { out: "", err: "" };
      const code = await runAdministration(argv, {
        out: async (text) => {
          said.out += text;
        },
        err: (text) => {
          said.err += text;
        },
        ...{ live: false, env: { SLICELAB_HOME: home }, clock: lab.clock },
        interrupted: new AbortController().signal,
      });
      return { code, ...said };
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}
