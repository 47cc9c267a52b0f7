import { textTable } from "#shared/runtime/listing.ts";
import type { Testbed } from "./testbed.ts";

/** The testbed as a person wants to see it: where everything answers, and how to be alice. */
export function testbedTable({ agent, broker, nodes, people, description }: Testbed): string {
  const rows = [
    ["SERVICE", "ADDRESS", "PAGE", "PID"],
    ["agent", agent.addresses.tls, agent.addresses.web, String(agent.part.process.pid)],
    ...(broker
      ? [["broker", broker.addresses.tls, broker.addresses.web, String(broker.part.process.pid)]]
      : []),
    ...nodes.map((node) => [
      `node ${node.node.slice(0, 8)}`,
      node.addresses.tls,
      node.addresses.web,
      String(node.part.process.pid),
    ]),
  ];
  const alice = people.find(({ name }) => name === "alice")!;
  const admin = people.find(({ name }) => name === "admin")!;
  const real = description.engine === "simulated" ? "Slivers are simulated: nothing runs in them." : "";
  return [
    textTable(rows),
    ...(real ? [real] : []),
    `To be alice: export SLICELAB_HOME=${alice.home}`,
    "Then:        bin/slice create hello --nodes 2",
    `To run it:   SLICELAB_HOME=${admin.home} bin/slicelab admin --help`,
  ].join("\n");
}
