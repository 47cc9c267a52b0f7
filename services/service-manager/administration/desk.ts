import { randomUUID } from "node:crypto";
import { type Command, Option } from "commander";
import { loadIdentity } from "#shared/identity/identity.ts";
import type { PublicKey } from "#shared/identity/key.ts";
import { clientTlsOptions } from "#shared/identity/tls.ts";
import { Trust } from "#shared/identity/trust.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { administrationApi } from "#shared/wire/administration-api.ts";
import { agentApi } from "#shared/wire/agent-api.ts";
import { enrolmentAdministrationApi } from "#shared/wire/enrolment-api.ts";
import { type XmlRpcClient, xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { contract } from "#shared/wire/xmlrpc/contract.ts";
import { loadServiceManagerConfig, type Service } from "../config.ts";
import { KeptRevocations } from "../network/kept-revocations.ts";
import { FORMATS, type Format, formatListing, type Listing } from "../terminal/output.ts";
import type { Terminal } from "../terminal/terminal.ts";

/** Everything that administrators of an agent can ask of it. */
const DESK_API = contract({ ...{ ...agentApi, ...administrationApi, ...enrolmentAdministrationApi } });

/** Options that every command has. */
export type DeskOptions = { readonly agent?: string; readonly output?: Format };

/** The agent that is administered, called in the name of whoever the configuration says. */
export type Desk = {
  readonly api: XmlRpcClient<typeof DESK_API>;
  /** Whom the configuration trusts, to verify what others signed. */
  readonly trust: Trust;
  /** What makes a change one that can be asked for again without being made twice. */
  readonly once: { readonly request_id: string };
  /** Where the agent is, and the file of the authority's certificate, as configured. */
  readonly place: { readonly url: string; readonly authority: string };
  /** The key that answered. Only after an answer. */
  agent(): PublicKey;
  print<T>(listing: Listing<T>): Promise<void>;
  /** Data that is no listing. */
  write(line: string): Promise<void>;
};

/** Opens the desk for one command and closes it after it. */
export type AtDesk = (options: DeskOptions, work: (desk: Desk) => Promise<void>) => Promise<void>;

/** Longer than an agent waits for its own database. */
const TIMEOUT_MS = 60_000;

export function withDeskOptions(command: Command): Command {
  return command
    .addOption(new Option("-o, --output <format>", "how data is shown").choices(FORMATS))
    .option("--agent <url or key>", "which of the agents in config.toml, where it names several");
}

/** `home`: where the configuration lies, as that of `slice`. */
export function deskOf(home: string, terminal: Terminal): AtDesk {
  return async (options, work) => {
    const { key, certificate: cert, authority: ca, agents } = loadServiceManagerConfig(home);
    const { url, identity } = chosenAgent(agents, options.agent);
    const { tls } = await loadIdentity({ key, cert, ca });
    using connections = new Connections(clientTlsOptions(tls));
    const trust = new Trust(tls.ca);
    connections.heed((await KeptRevocations.open(home, trust.keys)).isRevoked);
    let peer: PublicKey | undefined;
    const api = xmlRpcClient(DESK_API, {
      ...{ url, connections, expectedPeer: identity, timeoutMs: TIMEOUT_MS },
      onPeer: (answered) => {
        peer = answered;
      },
    });
    await work({
      api,
      trust,
      once: { request_id: randomUUID() },
      place: { url, authority: ca },
      agent() {
        if (!peer) throw new TypeError("the agent has not answered yet");
        return peer;
      },
      print: async (listing) => {
        await terminal.out(await formatListing(options.output ?? "table", listing));
      },
      write: async (line) => await terminal.out(`${line}\n`),
    });
  };
}

function chosenAgent(agents: readonly Service[], wanted: string | undefined): Service {
  if (wanted === undefined) {
    const [only, ...others] = agents;
    if (only && others.length === 0) return only;
    throw new OperatorError(`config.toml names ${agents.length} agents; say which with --agent`);
  }
  const agent = agents.find(({ url, identity }) => url === wanted || identity?.startsWith(wanted));
  if (!agent) throw new OperatorError(`config.toml names no agent "${wanted}"`);
  return agent;
}

/** Reads a list to its end, a page at a time: `next` is what the following page comes after. */
export async function allPages<Row, After>(
  page: (after: After | undefined) => Promise<readonly Row[]>,
  next: (row: Row) => After,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (let after: After | undefined; ; ) {
    const more = await page(after);
    rows.push(...more);
    if (more.length === 0) return rows;
    after = next(more.at(-1)!);
  }
}
