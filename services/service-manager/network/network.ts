import { type AgentConnection, agentConnection } from "#services/broker/acquisition/agent-connection.ts";
import { agentNamed } from "#services/broker/acquisition/ask.ts";
import type { Validity } from "#shared/identity/certificate.ts";
import type { KeyName, PublicKey } from "#shared/identity/key.ts";
import type { SigningKey } from "#shared/identity/signature.ts";
import { hostAndPort } from "#shared/model/address.ts";
import { Fault } from "#shared/model/errors.ts";
import { nodeManagerApi } from "#shared/wire/node-manager-api.ts";
import { type XmlRpcClient, xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import type { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import type { Service } from "../config.ts";
import type { NodeAddress } from "../journal/slice-record.ts";
import { type BrokerConnection, brokerConnection } from "./broker-connection.ts";
import type { Effort } from "./fan-out.ts";

/** Everybody this principal can talk to, over connections made in its name. */
export type Network = Disposable & {
  readonly principal: KeyName;
  /** How long the principal's certificate is accepted. */
  readonly certified: Validity;
  readonly agents: readonly AgentConnection[];
  /** How everybody here is called. */
  readonly effort: Effort;
  /** By its identity or its URL. Throws UNKNOWN_KEY for an agent that is not configured (any more). */
  agent(name: string): AgentConnection;
  /** The broker that is preferred to the one embedded here, where one is configured. */
  readonly broker?: BrokerConnection;
  node(address: NodeAddress): NodeConnection;
  /** Tells whoever runs the command what they should know although it goes on. */
  notice(line: string): void;
};

type NetworkParts = {
  readonly principal: KeyName;
  readonly certified: Validity;
  readonly agents: readonly Service[];
  readonly broker?: Service & { readonly signingKey: SigningKey };
  /** Disposed of with the network. */
  readonly connections: Connections;
  readonly effort: Effort;
};

export function networkOf({
  principal,
  certified,
  agents,
  broker,
  connections,
  effort,
}: NetworkParts): Network {
  const known = agents.map((agent) => agentConnection(agent, connections, effort));
  return {
    principal,
    certified,
    agents: known,
    effort,
    agent(name) {
      const agent = agentNamed(known, name);
      if (!agent)
        throw new Fault(
          "UNKNOWN_KEY",
          `the agent ${name} is configured no more; put it back into config.toml`,
        );
      return agent;
    },
    ...(broker && { broker: brokerConnection(broker, connections, effort) }),
    node: (address) => nodeConnection(address, connections),
    notice: (line) => effort.notice?.(line),
    [Symbol.dispose]: () => connections[Symbol.dispose](),
  };
}

/** One node manager, known by its key: whoever answers at its address with another one is refused. */
export type NodeConnection = {
  readonly address: NodeAddress;
  readonly api: XmlRpcClient<typeof nodeManagerApi>;
  /** The key that answered, which signs its leases and statements. Only after an answer. */
  key(): PublicKey;
};

function nodeConnection(address: NodeAddress, connections: Connections): NodeConnection {
  let peer: PublicKey | undefined;
  const api = xmlRpcClient(nodeManagerApi, {
    url: `https://${hostAndPort(address.ip, address.sslport)}/RPC2`,
    connections,
    expectedPeer: address.node,
    onPeer: (key) => {
      peer = key;
    },
  });
  return {
    address,
    api,
    key() {
      if (!peer) throw new TransportError("malformed", `${address.ip} has not answered yet`);
      return peer;
    },
  };
}
