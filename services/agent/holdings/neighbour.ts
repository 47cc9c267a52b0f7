import { loadIdentity } from "#shared/identity/identity.ts";
import { type KeyName, publicKeyFromSpki } from "#shared/identity/key.ts";
import { clientTlsOptions } from "#shared/identity/tls.ts";
import { Fault, OperatorError } from "#shared/model/errors.ts";
import { printable } from "#shared/runtime/printable.ts";
import { agentApi } from "#shared/wire/agent-api.ts";
import { readBase64 } from "#shared/wire/fields.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { ForeignFault, TransportError } from "#shared/wire/xmlrpc/transport-error.ts";
import type { AgentConfig } from "../config.ts";
import type { Grantee } from "./granting.ts";

/** Another agent, as a command of this one's operator reaches it. */
export type Neighbour = AsyncDisposable & {
  /** Whom grants are for, as it says of itself. */
  grantee(): Promise<Grantee>;
  /** Gives it what was granted. It takes all or none, and what it has already again. */
  deposit(documents: readonly string[]): Promise<void>;
};

/** As many as one call deposits. */
const AT_ONCE = 64;

/** Reaches the agent of this identity, in this agent's own name. What goes wrong is thrown as OperatorError. */
export async function reachNeighbour(
  { identity: own }: Pick<AgentConfig, "identity">,
  { url, identity }: { readonly url: string; readonly identity: KeyName },
): Promise<Neighbour> {
  const { tls } = await loadIdentity({ key: own.key, cert: own.certificate, ca: own.authority });
  const connections = new Connections(clientTlsOptions(tls));
  const client = xmlRpcClient(agentApi, { url, connections, expectedPeer: identity });
  return {
    async grantee() {
      const { ticket_key } = await told(() => client.getconfig());
      return { ticketKey: publicKeyFromSpki(readBase64(ticket_key)), identity };
    },
    async deposit(documents) {
      for (let at = 0; at < documents.length; at += AT_ONCE) {
        const tickets = documents.slice(at, at + AT_ONCE);
        await told(() => client.deposittickets({ tickets }));
      }
    },
    [Symbol.asyncDispose]: async () => connections[Symbol.dispose](),
  };
}

async function told<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    const answered = error instanceof Fault || error instanceof ForeignFault;
    if (answered || error instanceof TransportError)
      throw new OperatorError(`the other agent: ${printable(error.message)}`, { cause: error });
    throw error;
  }
}
