import { mkdir, realpath } from "node:fs/promises";
import pLimit from "p-limit";
import { writeDurably } from "#shared/runtime/durable-file.ts";
import { lockFile } from "#shared/runtime/lock-file.ts";
import { capacityOfEach } from "./capacity.ts";
import { describe, type TestbedDescription } from "./description.ts";
import { testbedAuthority } from "./identities.ts";
import { type Layout, layoutOf, PEOPLE } from "./layout.ts";
import { monitorPlaces } from "./monitor-places.ts";
import { type Monitors, startMonitors } from "./monitors.ts";
import { bridgedNetwork, loopbackNetwork, type TestbedNetwork } from "./network.ts";
import type { TestbedOptions } from "./options.ts";
import { type AgentPart, startAgentPart } from "./parts/agent-part.ts";
import { type BrokerPart, startBrokerPart } from "./parts/broker-part.ts";
import { type NodePart, startNodePart, stopSlivers } from "./parts/node-part.ts";
import { type Person, settlePerson } from "./people.ts";

export type Testbed = AsyncDisposable & {
  readonly layout: Layout;
  readonly agent: AgentPart;
  readonly broker?: BrokerPart;
  readonly nodes: readonly NodePart[];
  readonly people: readonly Person[];
  readonly monitors?: Monitors;
  /** What testbed.json says. */
  readonly description: TestbedDescription;
  /** Starts again every service that has ended; gives their names. */
  revive(): Promise<string[]>;
};

/**
 * A whole deployment on one machine: PostgreSQL, an authority, an agent, a broker and node managers, each a process of its own.
 * Disposing of it ends them and stops the slivers, whose disks stay; started again on the same home everything comes
 * back. Throws BUSY when another testbed runs on that home.
 */
export async function startTestbed(options: TestbedOptions): Promise<Testbed> {
  const { progress } = options;
  await mkdir(options.home, { recursive: true, mode: 0o700 });
  const layout = layoutOf(await realpath(options.home));
  await using owned = new AsyncDisposableStack();
  owned.use(await lockFile(layout.lock, `the testbed in ${layout.home}`));
  for (const directory of [layout.logs, layout.agent, layout.broker])
    await mkdir(directory, { recursive: true, mode: 0o700 });

  progress("making addresses for the nodes");
  const network = owned.use(await networkOf(options, layout));
  const authority = await testbedAuthority(layout.authority);
  progress("starting PostgreSQL and the agent");
  const places = options.monitors ? await monitorPlaces(network, layout, options.randomPorts) : undefined;
  const terms = { options, layout, authority, monitors: places };
  const agent = owned.use(
    await startAgentPart({ ...terms, ip: network.agentIp, monitor: places?.collector }),
  );
  // Its start is nothing that nodes wait for.
  const brokering = options.broker ? startBrokerPart({ ...terms, agent, ip: network.agentIp }) : undefined;
  brokering?.catch(() => undefined); // told where it is waited for
  owned.defer(async () => (await brokering?.catch(() => undefined))?.[Symbol.asyncDispose]());

  progress(`starting ${options.nodes} node managers (${options.engine})`);
  const capacity = await capacityOfEach(options.nodes, options.engine, layout);
  const nodes = await startAll(network, (place, number) =>
    startNodePart({ ...terms, agent, place, number, capacity }),
  );
  owned.defer(() => endNodes(nodes));
  const broker = await brokering;
  const people = await Promise.all(
    PEOPLE.map((who) => settlePerson({ who, layout, authority, agent, broker })),
  );
  progress("waiting for the nodes' tickets to reach the agent");
  await agent.hearsFrom(nodes.map((node) => node.ip));

  let rewriting: Promise<unknown> | undefined;
  owned.defer(async () => void (await rewriting));
  const monitors = places && owned.use(startMonitors({ places, layout, progress }));
  const write = async (): Promise<TestbedDescription> => {
    const description = describe({ layout, agent, broker, nodes, people, monitors, engine: options.engine });
    await writeDurably(layout.description, `${JSON.stringify(description, null, 2)}\n`);
    return description;
  };
  const description = await write();
  // Once more with the monitors' processes, for which nobody has waited.
  rewriting = monitors?.started.then(write).catch((error: Error) => progress(error.message));
  const kept = owned.move();
  return {
    ...{ layout, agent, broker, nodes, people, monitors, description },
    async revive() {
      const revived = [
        ...(await agent.revive()),
        ...((await broker?.revive()) ?? []),
        ...(await Promise.all([...nodes, ...(monitors ? [monitors] : [])].map((n) => n.revive()))).flat(),
      ];
      await write();
      return revived;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function networkOf(
  { engine, nodes, randomPorts }: TestbedOptions,
  layout: Layout,
): TestbedNetwork | Promise<TestbedNetwork> {
  const bridged = engine === "container" || engine === "microvm";
  return bridged ? bridgedNetwork(nodes, layout, randomPorts) : loopbackNetwork(nodes);
}

/** A few at a time: each is a Node process, and they start faster when they do not all start at once. */
const STARTS_AT_ONCE = 4;

async function startAll(
  network: TestbedNetwork,
  start: (place: TestbedNetwork["places"][number], number: number) => Promise<NodePart>,
): Promise<NodePart[]> {
  const limit = pLimit(STARTS_AT_ONCE);
  const outcomes = await Promise.allSettled(
    network.places.map((place, i) => limit(() => start(place, i + 1))),
  );
  const nodes = outcomes.flatMap((o) => (o.status === "fulfilled" ? [o.value] : []));
  const failed = outcomes.find((o) => o.status === "rejected");
  if (failed) {
    await endNodes(nodes);
    throw failed.reason;
  }
  return nodes;
}

async function endNodes(nodes: readonly NodePart[]): Promise<void> {
  await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()));
  await Promise.all(nodes.map(stopSlivers));
}
