import type { KeyName, PublicKey } from "../identity/key.ts";
import { Fault } from "../model/errors.ts";
import { agentApi } from "./agent-api.ts";
import { type ClientOptions, type XmlRpcClient, xmlRpcClient } from "./xmlrpc/client.ts";
import type { Connections } from "./xmlrpc/connections.ts";
import type { Contract } from "./xmlrpc/contract.ts";
import { isCallFailure } from "./xmlrpc/transport-error.ts";

/** Somebody who is asked for lists of what is revoked. */
export type RevocationSource = {
  /** What it is called in the log. */
  readonly name: string;
  /** The lists that are not among those of these identities, and the key that answered. */
  readonly ask: (
    since: readonly string[],
    signal: AbortSignal,
  ) => Promise<{ readonly lists: readonly string[]; readonly from: PublicKey }>;
};

export type PollingTerms = {
  /** Identities of the lists that are known. */
  readonly held: () => readonly string[];
  /** Called with each list that is not, and the key of whoever told it. Refuses it with a Fault. */
  readonly take: (list: string, from: PublicKey) => Promise<unknown> | unknown;
  readonly log: Record<"warn" | "debug", (details: object, message: string) => void>;
};

/** One round of asking, and what is done when it fails: for `startRounds`. */
export type RevocationPolling = {
  work(signal: AbortSignal): Promise<void>;
  onFailure(error: unknown): void;
};

/**
 * Asks for lists of what is revoked, now and then, in case they were not told when they were new. One list that is
 * refused keeps none of the others away, and a failure that lasts is told once.
 */
export function revocationPolling(
  { name, ask }: RevocationSource,
  { held, take, log }: PollingTerms,
): RevocationPolling {
  let failure: string | undefined;

  async function takeOne(list: string, from: PublicKey): Promise<void> {
    try {
      await take(list, from);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      // A list older than ours is no news; whatever else is wrong is for the operator to see.
      const level = error.name === "EXPIRED" ? "debug" : "warn";
      log[level]({ from: name, reason: error.message }, "a list of revocations was refused");
    }
  }

  return {
    async work(signal) {
      const { lists, from } = await ask(held(), signal);
      for (const list of lists) await takeOne(list, from);
      failure = undefined;
    },
    onFailure(error) {
      if (!isCallFailure(error)) throw error;
      if (error.message !== failure)
        log.warn({ from: name, reason: error.message }, "nobody there says what is revoked");
      failure = error.message;
    },
  };
}

/** A service that answers `getrevocations`, over a client of its own. */
export function revocationSource<C extends Contract>(
  name: string,
  api: C,
  options: Omit<ClientOptions, "onPeer">,
  ask: (client: XmlRpcClient<C>, since: string[], signal: AbortSignal) => Promise<readonly string[]>,
): RevocationSource {
  let answered: PublicKey | undefined;
  const client = xmlRpcClient(api, {
    ...options,
    onPeer: (key) => {
      answered = key;
    },
  });
  return {
    name,
    async ask(since, signal) {
      const lists = await ask(client, [...since], signal);
      return { lists, from: answered! };
    },
  };
}

/** An agent, which tells its own list and its authority's. */
export function agentSource(
  { url, identity }: { readonly url: string; readonly identity: KeyName },
  connections: Connections,
): RevocationSource {
  return revocationSource(
    identity,
    agentApi,
    { url, connections, expectedPeer: identity },
    (client, since, signal) => client.getrevocations({ since }, { signal }),
  );
}
