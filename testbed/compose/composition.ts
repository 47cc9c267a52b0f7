import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Registry } from "#services/agent/registry/registry.ts";
import { openAgentDatabase, SCHEMA } from "#services/agent/service.ts";
import type { Authority } from "#services/authority/authority.ts";
import { systemClock } from "#shared/runtime/clock.ts";
import { writeDurably } from "#shared/runtime/durable-file.ts";
import { migrate } from "#shared/runtime/migrations.ts";
import { acceptNode } from "../acceptance.ts";
import { capacityOfEach } from "../capacity.ts";
import {
  writeAgentConfig,
  writeBrokerConfig,
  writeMonitorConfig,
  writeNodeConfig,
} from "../configuration.ts";
import { type Enrolled, enrolOnTestbed, testbedAuthority } from "../identities.ts";
import { type Layout, layoutOf, PEOPLE } from "../layout.ts";
import { type MonitorPlace, targetOf } from "../monitor-places.ts";
import { settlePerson } from "../people.ts";
import {
  COMPOSED_NODES,
  COMPOSED_PORTS,
  type ComposedAddresses,
  composedAddresses,
  servedAt,
} from "./addresses.ts";
import { type ComposedDescription, composedDescription, type SettledNode } from "./description.ts";

export type CompositionOptions = {
  /** Where the volumes of all services are, each at its place in the layout of a testbed. */
  readonly home: string;
  /** The first three numbers of the network's addresses, e.g. "10.76.0". */
  readonly subnet: string;
  /** The reference images that nodes offer, the usual one first. */
  readonly images: readonly string[];
  /** The URL of the PostgreSQL database of agent and broker. */
  readonly database: string;
};

type Terms = CompositionOptions & {
  readonly layout: Layout;
  readonly at: ComposedAddresses;
  readonly authority: Authority;
  readonly registry: Registry;
};

/** What the others are told of the agent or the broker. */
type Known = {
  readonly identity: string;
  readonly addresses: { readonly tls: string; readonly web: string };
};

/**
 * Makes of empty volumes a testbed of which only the services are missing: the authority, everybody's keys and
 * certificates, configuration files, what the agent's administrator decides, and testbed.json. Done already, it is done;
 * configuration files are written anew. Throws STORE_DOWN as long as the database does not answer.
 */
export async function compose(options: CompositionOptions): Promise<ComposedDescription> {
  const layout = layoutOf(options.home);
  const at = composedAddresses(options.subnet);
  await migrate(options.database, SCHEMA);
  await using database = openAgentDatabase(options.database);
  const registry = new Registry(database, systemClock());
  const authority = await testbedAuthority(layout.authority);
  const terms: Terms = { ...options, layout, at, authority, registry };

  const collector = await monitorPlace("collector", at.collector, layout.collector);
  await writeMonitorConfig(collector, []);
  const agent = await settleAgent(terms, collector);
  const broker = await settleBroker(terms, agent);
  const capacity = await capacityOfEach(COMPOSED_NODES, "container", layout);
  const nodes: SettledNode[] = [];
  for (let number = 1; number <= COMPOSED_NODES; number++)
    nodes.push(await settleNode(terms, { number, agent, collector, capacity }));
  const people = [];
  for (const who of PEOPLE)
    people.push(await settlePerson({ who, layout, authority, broker, agent: { ...agent, registry } }));
  const description = composedDescription({ agent, broker, collector, nodes, people });
  await writeDurably(layout.description, `${JSON.stringify(description, null, 2)}\n`, 0o644);
  return description;
}

async function settleAgent(
  { at, layout, authority, database }: Terms,
  monitor: MonitorPlace,
): Promise<Known> {
  const [ip, ports] = [at.agent, COMPOSED_PORTS.agent];
  await mkdir(layout.agent, { recursive: true, mode: 0o700 });
  const enrolled = await enrolOnTestbed(authority, layout.agent, "agent", "server", [ip, "agent"]);
  await writeAgentConfig(layout.agent, { enrolled, ip, ports, database, monitor });
  return { identity: enrolled.sha256, addresses: servedAt(ip, ports) };
}

async function settleBroker({ at, layout, authority, database }: Terms, agent: Known): Promise<Known> {
  const [ip, ports] = [at.broker, COMPOSED_PORTS.broker];
  await mkdir(layout.broker, { recursive: true, mode: 0o700 });
  const enrolled = await enrolOnTestbed(authority, layout.broker, "broker", "server", [ip, "broker"]);
  await writeBrokerConfig(layout.broker, { enrolled, ip, ports, database, agent: reached(agent) });
  return { identity: enrolled.sha256, addresses: servedAt(ip, ports) };
}

type NodeTerms = {
  readonly number: number;
  readonly agent: Known;
  readonly collector: MonitorPlace;
  readonly capacity: Awaited<ReturnType<typeof capacityOfEach>>;
};

async function settleNode(
  terms: Terms,
  { number, agent, collector, capacity }: NodeTerms,
): Promise<SettledNode> {
  const { at, layout, authority, registry, images } = terms;
  const [ip, ports, directory, name] = [
    at.node(number),
    COMPOSED_PORTS.node,
    layout.node(number),
    `node-${number}`,
  ];
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const enrolled: Enrolled = await enrolOnTestbed(authority, directory, name, "server", [ip, name]);
  await acceptNode(registry, { name, number, ip, enrolled });
  const place = await monitorPlace(
    name,
    ip,
    join(layout.home, "monitors", String(number)),
    at.monitor(number),
  );
  await writeMonitorConfig(place, [targetOf(collector)]);
  await writeNodeConfig(directory, {
    ...{ enrolled, ip, ports, capacity, agent: reached(agent) },
    engine: "container",
    images: { names: images, directory: join(directory, "images") },
    monitors: { own: place, collector },
  });
  return { name, ip, identity: enrolled.sha256, ports, monitor: place };
}

async function monitorPlace(name: string, ip: string, directory: string, host = ip): Promise<MonitorPlace> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return { name, ip, host, directory, ports: COMPOSED_PORTS.monitor };
}

function reached({ identity, addresses }: Known) {
  return { identity, url: addresses.tls };
}
