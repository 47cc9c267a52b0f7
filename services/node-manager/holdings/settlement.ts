import { type KeyName, type PublicKey, publicKeyFromSpki } from "#shared/identity/key.ts";
import { Fault } from "#shared/model/errors.ts";
import type { PortRange } from "#shared/model/ports.ts";
import type { EngineName } from "#shared/model/ticket.ts";
import type { Log } from "#shared/runtime/log.ts";
import type { agentApi } from "#shared/wire/agent-api.ts";
import type { XmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import { heedMemberships } from "../leases/members.ts";
import type { NodeTime } from "../node-time.ts";
import type { OwnList } from "../revocation/own-list.ts";
import { ToldEndings, tellEndings } from "../revocation/telling.ts";
import { StoreFailure } from "../store/database.ts";
import { type Message, TICKET_EVENTS, type TicketEvent } from "../store/outbox-rows.ts";
import type { Store } from "../store.ts";
import type { Grant, RootsOfNode } from "./roots.ts";

/** What the node tells an agent of itself with its roots. */
export type NodeFacts = {
  readonly sslport: number;
  readonly sshport: number;
  readonly engines: readonly EngineName[];
  readonly images: readonly string[];
  readonly simulated: boolean;
  readonly version: string;
  readonly abilities: { engine: string; abilities: string[] }[];
  readonly kept_ports: PortRange[];
};

export type SettlementDeps = {
  readonly store: Store;
  readonly roots: RootsOfNode;
  readonly ownList: OwnList;
  readonly time: NodeTime;
  readonly log: Log;
  readonly grant: Grant;
  /** Speaks to the agent and to nobody else: its key is pinned. */
  readonly client: XmlRpcClient<typeof agentApi>;
  readonly facts: () => NodeFacts;
  /** Somebody was put out of a slice. */
  readonly onFewerKeys: (slice: string) => void;
};

/** What the node's page shows of an agent. */
export type SettlementState = {
  readonly agent: KeyName;
  /** Milliseconds since 1970 of the last time the agent took what it was told. */
  readonly settledAt?: number;
  /** Why the last attempt failed, while it does. */
  readonly failure?: string;
};

/** Keeps one agent supplied with its root ticket and told of what becomes of tickets. */
export type Settlement = AsyncDisposable & {
  readonly state: SettlementState;
  /** Something is in the outbox: tell the agent soon. */
  nudge(): void;
};

const EVERY_MILLISECONDS = 30_000;
const MESSAGES_AT_ONCE = 1000;
/** As many as the agent tells in one answer. */
const MEMBERS_AT_ONCE = 1000;

/**
 * Begins at once, then goes on every 30 s and whenever there is news, one round at a time. What an agent was told is
 * forgotten only when it has said that it knows: it may hear things twice, never not at all. One agent that is away
 * keeps nobody else waiting.
 */
export function startSettlement(deps: SettlementDeps): Settlement {
  const { log, time, grant } = deps;
  const ending = new AbortController();
  const deposited = new Deposit();
  const ended = new ToldEndings();
  let state: SettlementState = { agent: grant.agent };
  let running: Promise<void> | undefined;
  let again = false;

  /** What has become of tickets is told even where a root could not be given. */
  async function round(): Promise<void> {
    const failures = [
      await failureOf(deposit(deps, deposited, ending.signal)),
      await failureOf(tellEndings(deps, ended, ending.signal)), // why, before what
      await failureOf(settle(deps, ending.signal)),
      await failureOf(learnMembers(deps, ending.signal)),
    ];
    if (ending.signal.aborted) return;
    const failure = failures.find((reason) => reason !== undefined);
    if (failure === undefined) {
      if (state.failure) log.info({ agent: grant.agent }, "the agent listens again");
      state = { agent: grant.agent, settledAt: time.milliseconds() };
      return;
    }
    deposited.forget();
    ended.forget();
    if (state.failure !== failure)
      log.warn({ agent: grant.agent, reason: failure }, "the agent can't be told");
    state = { ...state, failure };
  }

  function nudge(): void {
    if (ending.signal.aborted) return;
    again = true;
    running ??= rounds();
  }

  async function rounds(): Promise<void> {
    while (again && !ending.signal.aborted) {
      again = false;
      await round();
    }
    running = undefined;
  }

  const timer = setInterval(() => {
    deposited.forgetKey();
    nudge();
  }, EVERY_MILLISECONDS);
  nudge();
  return {
    get state() {
      return state;
    },
    nudge,
    async [Symbol.asyncDispose]() {
      ending.abort();
      clearInterval(timer);
      await running;
    },
  };
}

/** The root, and the facts with it, that the agent took from this process, so that they are not sent every time. */
class Deposit {
  #taken: string | undefined;
  #key: PublicKey | undefined;

  get key(): PublicKey | undefined {
    return this.#key;
  }

  /** The agent's ticket key, as it said. */
  learn(key: PublicKey): PublicKey {
    this.#key = key;
    return key;
  }

  /** It is asked for again: agents change their ticket keys. */
  forgetKey(): void {
    this.#key = undefined;
  }

  took(root: string, facts: NodeFacts): void {
    this.#taken = JSON.stringify([root, facts]);
  }

  has(root: string, facts: NodeFacts): boolean {
    return this.#taken === JSON.stringify([root, facts]);
  }

  /** After a failure everything is asked and sent anew: the agent may be another process with another key. */
  forget(): void {
    this.#taken = undefined;
    this.forgetKey();
  }
}

/** Why it failed, or undefined where it did not. A store that failed is not for us to survive. */
async function failureOf(attempt: Promise<void>): Promise<string | undefined> {
  try {
    await attempt;
    return undefined;
  } catch (error) {
    if (error instanceof StoreFailure || !(error instanceof Error)) throw error;
    return error.message;
  }
}

async function deposit(deps: SettlementDeps, deposited: Deposit, signal: AbortSignal): Promise<void> {
  const { client, grant, roots, facts } = deps;
  const key = deposited.key ?? deposited.learn(await ticketKeyOf(client, signal));
  const root = roots.current(grant, key);
  const told = facts();
  if (deposited.has(root, told)) return;
  await client.deposittickets({ tickets: [root], facts: told }, { signal });
  deposited.took(root, told);
}

async function ticketKeyOf(client: SettlementDeps["client"], signal: AbortSignal): Promise<PublicKey> {
  const { ticket_key } = await client.getconfig({}, { signal });
  return publicKeyFromSpki(Buffer.from(ticket_key, "base64"));
}

/** Tells the agent what waits for it, in order, even if that is nothing: being heard is how a node is alive. */
async function settle({ store, client, grant }: SettlementDeps, signal: AbortSignal): Promise<void> {
  for (;;) {
    const messages = store.outbox.first(grant.agent, MESSAGES_AT_ONCE);
    await client.settletickets(byEvent(messages), { signal });
    signal.throwIfAborted();
    const last = messages.at(-1);
    if (last) store.transaction((tx) => store.outbox.delivered(tx, grant.agent, last.number));
    if (messages.length < MESSAGES_AT_ONCE) return;
  }
}

/** Who is in and out of the agent's slices, as far as it has changed. An agent that does not know of members tells nothing. */
async function learnMembers(deps: SettlementDeps, signal: AbortSignal): Promise<void> {
  const { store, client, grant } = deps;
  for (let since = store.members.mark(grant.agent); ; ) {
    const told = await changesSince(client, since, signal);
    signal.throwIfAborted();
    if (!told) return;
    const { latest, changes } = told;
    if (latest < since) {
      since = 0; // its books are others than they were: all of it once more
      continue;
    }
    const upTo = changes.length === MEMBERS_AT_ONCE ? changes.at(-1)!.number : latest;
    if (upTo !== store.members.mark(grant.agent) || changes.length > 0)
      heedMemberships(deps, { agent: grant.agent, changes, upTo });
    if (changes.length < MEMBERS_AT_ONCE) return;
    since = upTo;
  }
}

async function changesSince(client: SettlementDeps["client"], since: number, signal: AbortSignal) {
  try {
    return await client.getmembers({ since }, { signal });
  } catch (error) {
    if (error instanceof Fault && error.name === "NO_METHOD") return undefined;
    throw error;
  }
}

/** One call has no order: of a ticket that several things happened to, only the last is told. */
function byEvent(messages: readonly Message[]): Partial<Record<TicketEvent, string[]>> {
  const last = new Map(messages.map(({ ticket, event }) => [ticket, event]));
  const told: Partial<Record<TicketEvent, string[]>> = {};
  for (const event of TICKET_EVENTS) {
    const tickets = [...last].filter(([, its]) => its === event).map(([ticket]) => ticket);
    if (tickets.length > 0) told[event] = tickets;
  }
  return told;
}
