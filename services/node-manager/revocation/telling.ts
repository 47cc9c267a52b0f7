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

/** With a list of half a MiB, as long as one may be, they fit in a request of less than 1 MiB. */
const LEASES_AT_ONCE = 1000;

export type TellingDeps = {
  readonly store: { readonly tickets: Pick<Store["tickets"], "ofLease"> };
  readonly ownList: Pick<OwnList, "current">;
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
    for (let at = 0; at < leases.length; at += LEASES_AT_ONCE) {
      const some = leases.slice(at, at + LEASES_AT_ONCE);
      await client.postendings({ list: own.document, leases: some }, { signal });
    }
  } catch (error) {
    if (!(error instanceof Fault && error.name === "NO_METHOD")) throw error;
  }
  told.took(own.id);
}
