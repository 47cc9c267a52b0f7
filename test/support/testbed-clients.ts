import { loadIdentity } from "#shared/identity/identity.ts";
import type { KeyName } from "#shared/identity/key.ts";
import { clientTlsOptions } from "#shared/identity/tls.ts";
import { agentApi } from "#shared/wire/agent-api.ts";
import { nodeManagerApi } from "#shared/wire/node-manager-api.ts";
import { type XmlRpcClient, xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import type { TestbedDescription } from "#testbed/description.ts";

export type AgentClient = XmlRpcClient<typeof agentApi>;
export type NodeClient = XmlRpcClient<typeof nodeManagerApi>;

/** Somebody who calls a testbed's services: every method of their contracts, typed. */
export type Caller = {
  readonly name: KeyName;
  readonly agent: AgentClient;
  /** By node, in the order of testbed.json. */
  readonly nodes: readonly NodeClient[];
};

/** Everybody who is enrolled on a testbed, as callers in this process. */
export class TestbedClients implements Disposable {
  readonly alice: Caller;
  readonly bob: Caller;
  readonly admin: Caller;
  readonly #connections: readonly Connections[];

  private constructor(people: Record<"alice" | "bob" | "admin", Caller & { connections: Connections }>) {
    this.alice = people.alice;
    this.bob = people.bob;
    this.admin = people.admin;
    this.#connections = Object.values(people).map(({ connections }) => connections);
  }

  static async open(description: TestbedDescription): Promise<TestbedClients> {
    const [alice, bob, admin] = await Promise.all([
      callerOf(description, "alice"),
      callerOf(description, "bob"),
      callerOf(description, "admin"),
    ]);
    return new TestbedClients({ alice, bob, admin });
  }

  [Symbol.dispose](): void {
    for (const connections of this.#connections) connections[Symbol.dispose]();
  }
}

async function callerOf({ authority, agent, nodes, principals }: TestbedDescription, who: string) {
  const { key, cert } = principals[who]!;
  const identity = await loadIdentity({ key, cert, ca: authority });
  const connections = new Connections(clientTlsOptions(identity.tls));
  return {
    name: identity.name,
    connections,
    agent: xmlRpcClient(agentApi, { url: agent.tls, connections, expectedPeer: agent.sha256 }),
    nodes: nodes.map(({ tls, node }) =>
      xmlRpcClient(nodeManagerApi, { url: tls, connections, expectedPeer: node }),
    ),
  };
}
