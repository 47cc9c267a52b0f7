import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Registry } from "#services/agent/registry/registry.ts";
import { openAgentDatabase } from "#services/agent/service.ts";
import type { Authority } from "#services/authority/authority.ts";
import { loadIdentity } from "#shared/identity/identity.ts";
import { clientTlsOptions } from "#shared/identity/tls.ts";
import { OperatorError } from "#shared/model/errors.ts";
import { systemClock } from "#shared/runtime/clock.ts";
import { agentApi } from "#shared/wire/agent-api.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { writeAgentConfig } from "../configuration.ts";
import { enrolOnTestbed } from "../identities.ts";
import type { Layout } from "../layout.ts";
import type { MonitorPlace } from "../monitor-places.ts";
import type { TestbedOptions } from "../options.ts";
import { AGENT_PORTS, choosePorts } from "../ports.ts";
import { DatabasePart } from "./database-part.ts";
import { Part } from "./part.ts";

/** The agent of a testbed with its PostgreSQL. */
export type AgentPart = AsyncDisposable & {
  readonly identity: string;
  readonly addresses: {
    readonly tls: string;
    readonly plain?: string;
    readonly web: string;
    readonly web_tls?: string;
  };
  readonly part: Part;
  /** The URL of the PostgreSQL it is on. */
  readonly database: string;
  /** The PostgreSQL itself, where it is the testbed's own. */
  readonly postgres?: DatabasePart;
  /** What an administrator can decide on the agent's machine. */
  readonly registry: Registry;
  /** Resolves when the agent advertises nodes of all these addresses. */
  hearsFrom(ips: readonly string[]): Promise<void>;
  revive(): Promise<string[]>;
};

type Terms = {
  options: TestbedOptions;
  layout: Layout;
  authority: Authority;
  ip: string;
  /** Whom the agent asks how nodes are. */
  monitor?: MonitorPlace;
};

const PATIENCE_SECONDS = 120;
const LOOK_AGAIN_MILLISECONDS = 200;

/** Starts PostgreSQL, unless DATABASE_URL names one, and the agent on it. */
export async function startAgentPart({ options, layout, authority, ip, monitor }: Terms): Promise<AgentPart> {
  await using owned = new AsyncDisposableStack();
  const own = process.env.DATABASE_URL;
  const postgres = own === undefined ? owned.use(await DatabasePart.start(layout.postgres)) : undefined;
  const database = own ?? (await postgres!.createDatabase("slicelab"));
  const enrolled = await enrolOnTestbed(authority, layout.agent, "agent", "server", [ip, "localhost"]);
  const { plain, ...always } = AGENT_PORTS;
  const wanted = options.plain ? AGENT_PORTS : always;
  const terms = { memory: join(layout.agent, "ports.json"), random: options.randomPorts };
  const ports = await choosePorts(ip, wanted, terms);
  const config = await writeAgentConfig(layout.agent, { enrolled, ip, ports, database, monitor });
  const part = owned.use(
    await Part.start({
      name: "agent",
      argv: ["services/agent/main.ts", "serve", "--config", config],
      logFile: join(layout.logs, "agent.log"),
    }),
  );
  const registry = new Registry(owned.use(openAgentDatabase(database)), systemClock());
  const announced = part.process.announcement as unknown as AgentPart["addresses"];
  const kept = owned.move();
  return {
    identity: enrolled.sha256,
    addresses: announced,
    part,
    database,
    postgres,
    registry,
    async hearsFrom(ips) {
      const identity = await loadIdentity(enrolled);
      await using connections = new Connections(clientTlsOptions(identity.tls));
      const client = xmlRpcClient(agentApi, {
        url: announced.tls,
        connections,
        expectedPeer: enrolled.sha256,
      });
      for (let waited = 0; waited < PATIENCE_SECONDS * 1000; waited += LOOK_AGAIN_MILLISECONDS) {
        const advertised = new Set<unknown>(await client.getads({}));
        if (ips.every((one) => advertised.has(one))) return;
        await pause(LOOK_AGAIN_MILLISECONDS);
      }
      throw new OperatorError(`not all nodes reached the agent: see the logs in ${layout.logs}`);
    },
    revive: async () => [...((await postgres?.revive()) ?? []), ...(await part.revive())],
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
