import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Registry } from "#services/agent/registry/registry.ts";
import { openAgentDatabase } from "#services/agent/service.ts";
import { openTicketKeys, type TicketKeys } from "#services/agent/signing/ticket-keys.ts";
import { clientTlsOptions } from "#shared/identity/tls.ts";
import type { Share } from "#shared/model/resources.ts";
import { systemClock } from "#shared/runtime/clock.ts";
import type { Database } from "#shared/runtime/database.ts";
import { agentApi } from "#shared/wire/agent-api.ts";
import { type XmlRpcClient, xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { enrolFleet, type FleetNode } from "#test/services/agent/fleet.ts";
import { testAuthority, writeIdentity } from "#test/support/authority.ts";
import { startPostgres } from "#testbed/postgres/postgres.ts";

/** An agent in a process of its own over a fleet of nodes, and somebody who calls it. */
export type BenchAgent = AsyncDisposable & {
  readonly home: string;
  readonly database: Database;
  /** Of its PostgreSQL database, for whoever wants a connection of its own. */
  readonly databaseUrl: string;
  readonly ticketKeys: TicketKeys;
  readonly client: XmlRpcClient<typeof agentApi>;
  /** Another client of the same person, on connections of its own. */
  connect(): XmlRpcClient<typeof agentApi>;
  readonly fleet: readonly FleetNode[];
  readonly files: { readonly server: object; readonly client: object };
  /** How long the agent's event loop was held, in milliseconds, since this was last asked. */
  held(): Promise<{ readonly max: number; readonly p99: number }>;
};

type BenchOptions = {
  /** TOML that stands before the tables of the configuration. */
  readonly settings?: string;
  /** What each node gives. */
  readonly share?: Partial<Share>;
};

/** An agent over so many nodes, and a researcher, alice, to whom `client` belongs. */
export async function benchAgent(
  nodes: number,
  { settings = "", share }: BenchOptions = {},
): Promise<BenchAgent> {
  await using owned = new AsyncDisposableStack();
  const home = await mkdtemp(join(tmpdir(), "slicelab-bench-"));
  owned.defer(() => rm(home, { recursive: true, force: true }));
  const postgres = owned.use(await startPostgres(join(home, "postgres")));
  const url = await postgres.createDatabase("slicelab");
  const authority = await testAuthority();
  const [server, alice] = await Promise.all([authority.server("agent"), authority.client("alice")]);
  const files = await writeIdentity(home, "agent", server.tls);
  const clientFiles = await writeIdentity(home, "alice", alice.tls);
  const ticketKey = join(home, "ticket.key");
  const config = join(home, "agent.toml");
  await writeFile(
    config,
    `database = "${url}"
ticket_key = "${ticketKey}"
${settings}
[identity]
key = "${files.key}"
certificate = "${files.cert}"
authority = "${files.ca}"
[listen]
tls_port = 0
web_port = 0
`,
  );
  const stdio = ["ignore", "ignore", "inherit", "ipc"] as ("ignore" | "inherit" | "ipc")[];
  const env = { ...process.env, SLICELAB_LOG_LEVEL: "error" };
  const child = fork(new URL("agent-process.ts", import.meta.url), [config], { stdio, env });
  const [{ tls }] = (await once(child, "message")) as [{ tls: string }];
  owned.defer(async () => {
    child.send("stop");
    await once(child, "exit");
  });
  const database = owned.use(openAgentDatabase(url));
  await new Registry(database, systemClock()).addPrincipal({
    ...{ label: "alice", role: "researcher", certificate: alice.certPem },
  });
  const ticketKeys = await openTicketKeys(ticketKey);
  const fleet = await enrolFleet(database, ticketKeys, systemClock(), { nodes, share });
  await database.run("vacuum analyze principals, nodes, accounts, holdings");
  const connections = new AsyncDisposableStack();
  owned.use(connections);
  function connect(): XmlRpcClient<typeof agentApi> {
    const own = connections.use(new Connections(clientTlsOptions(alice.tls)));
    return xmlRpcClient(agentApi, { url: tls, connections: own, expectedPeer: server.name });
  }
  const client = connect();
  const kept = owned.move();
  return {
    ...{ home, database, databaseUrl: url, ticketKeys, fleet, client, connect },
    files: { server: files, client: clientFiles },
    async held() {
      child.send("report");
      const [report] = (await once(child, "message")) as [{ max: number; p99: number }];
      child.send("reset");
      return report;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
