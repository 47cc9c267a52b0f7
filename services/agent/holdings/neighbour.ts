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
  /** Gives it what was granted, also what it has already. Returns what it did not take: one keeps no other from it. */
  deposit(documents: readonly string[]): Promise<NotTaken[]>;
};

/** A document that another agent refused: the how manieth it was, from 0, and why. */
export type NotTaken = { readonly at: number; readonly because: string };

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
      const give = (tickets: string[]) => told(() => client.deposittickets({ tickets }));
      const refused: NotTaken[] = [];
      for (let at = 0; at < documents.length; at += AT_ONCE)
        refused.push(...(await depositTogether(documents.slice(at, at + AT_ONCE), at, give)));
      return refused;
    },
    [Symbol.asyncDispose]: async () => connections[Symbol.dispose](),
  };
}

/** A call takes all or none: after one that was refused, each is given by itself. */
async function depositTogether(
  documents: string[],
  first: number,
  give: (documents: string[]) => Promise<unknown>,
): Promise<NotTaken[]> {
  try {
    await give(documents);
    return [];
  } catch (error) {
    if (!(error instanceof OperatorError) || error.cause instanceof TransportError) throw error;
    const [, ...more] = documents;
    if (more.length === 0) return [{ at: first, because: error.message }];
  }
  const refused: NotTaken[] = [];
  for (const [index, document] of documents.entries())
    refused.push(...(await depositTogether([document], first + index, give)));
  return refused;
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
