import { Fault } from "#shared/model/errors.ts";
import type { DocumentId } from "#shared/model/ticket.ts";
import type { agentApi } from "#shared/wire/agent-api.ts";
import type { XmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import type { Store } from "../store.ts";
import type { OwnList } from "./own-list.ts";

/** The node's list that an agent took from this process, so that it is not sent every time. */
export class ToldEndings {
  #list: DocumentId | undefined;

  has(list: DocumentId): boolean {
    return this.#list === list;
  }

  took(list: DocumentId): void {
    this.#list = list;
  }

  forget(): void {
    this.#list = undefined;
  }
}

export type TellingDeps = {
  readonly store: Store;
  readonly ownList: OwnList;
  readonly grant: { readonly agent: string };
  readonly client: Pick<XmlRpcClient<typeof agentApi>, "postendings">;
};

/** Tells an agent which leases of its tickets the node's owner ended. One that is of before knows nothing of that. */
export async function tellEndings(
  { store, ownList, grant, client }: TellingDeps,
  told: ToldEndings,
  signal: AbortSignal,
): Promise<void> {
  const own = ownList.current();
  if (!own || told.has(own.id)) return;
  const leases = own.list.revoked.flatMap(({ id: lease }) =>
    store.tickets
      .ofLease(lease)
      .filter(({ agent }) => agent === grant.agent)
      .map(({ id: ticket }) => ({ lease, ticket })),
  );
  try {
    if (leases.length > 0) await client.postendings({ list: own.document, leases }, { signal });
  } catch (error) {
    if (!(error instanceof Fault && error.name === "NO_METHOD")) throw error;
  }
  told.took(own.id);
}
