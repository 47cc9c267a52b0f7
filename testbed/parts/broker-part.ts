import { join } from "node:path";
import type { Authority } from "#services/authority/authority.ts";
import { writeBrokerConfig } from "../configuration.ts";
import { enrolOnTestbed } from "../identities.ts";
import type { Layout } from "../layout.ts";
import type { TestbedOptions } from "../options.ts";
import { BROKER_PORTS, choosePorts } from "../ports.ts";
import type { AgentPart } from "./agent-part.ts";
import { Part } from "./part.ts";

/** The broker of a testbed, on the agent's PostgreSQL, its queue on REDIS_URL where that is set. */
export type BrokerPart = AsyncDisposable & {
  readonly identity: string;
  readonly addresses: { readonly tls: string; readonly plain?: string; readonly web: string };
  readonly part: Part;
  revive(): Promise<string[]>;
};

type Terms = {
  options: TestbedOptions;
  layout: Layout;
  authority: Authority;
  agent: AgentPart;
  ip: string;
};

export async function startBrokerPart({ options, layout, authority, agent, ip }: Terms): Promise<BrokerPart> {
  const enrolled = await enrolOnTestbed(authority, layout.broker, "broker", "server", [ip, "localhost"]);
  const { plain, ...always } = BROKER_PORTS;
  const wanted = options.plain ? BROKER_PORTS : always;
  const terms = { memory: join(layout.broker, "ports.json"), random: options.randomPorts };
  const ports = await choosePorts(ip, wanted, terms);
  const config = await writeBrokerConfig(layout.broker, {
    ...{ enrolled, ip, ports, database: agent.database },
    agent: { identity: agent.identity, url: agent.addresses.tls },
  });
  const part = await Part.start({
    name: "broker",
    argv: ["services/broker/main.ts", "serve", "--config", config],
    logFile: join(layout.logs, "broker.log"),
  });
  return {
    ...{ identity: enrolled.sha256, part },
    addresses: part.process.announcement as unknown as BrokerPart["addresses"],
    revive: () => part.revive(),
    [Symbol.asyncDispose]: () => part[Symbol.asyncDispose](),
  };
}
