import { clientTlsOptions } from "#shared/identity/tls.ts";
import { administrationApi } from "#shared/wire/administration-api.ts";
import { type XmlRpcClient, xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import type { TestIdentity } from "../../../support/authority.ts";
import type { AgentLab } from "../agent-lab.ts";

export type AdministrationClient = Disposable & { readonly api: XmlRpcClient<typeof administrationApi> };

/** Calls the lab's agent to administer it, as whoever shows this certificate. */
export function administering({ agent }: AgentLab, identity: TestIdentity): AdministrationClient {
  const connections = new Connections(clientTlsOptions(identity.tls));
  const { tls: url, agent: expectedPeer } = agent.announce;
  const api = xmlRpcClient(administrationApi, { url, connections, expectedPeer });
  return { api, [Symbol.dispose]: () => connections[Symbol.dispose]() };
}
