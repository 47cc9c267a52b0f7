import { randomBytes } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { z } from "zod";
import { clientTlsOptions, peerOf, serverTlsOptions } from "#shared/identity/tls.ts";
import { Fault } from "#shared/model/errors.ts";
import { Connections } from "#shared/wire/xmlrpc/connections.ts";
import { contract, method } from "#shared/wire/xmlrpc/contract.ts";
import type { Handlers } from "#shared/wire/xmlrpc/dispatch.ts";
import { AlreadyAnswered, type KeptReply, type ReplyToKeep } from "#shared/wire/xmlrpc/replay.ts";
import {
  startXmlRpcServer,
  type XmlRpcServer,
  type XmlRpcServerOptions,
} from "#shared/wire/xmlrpc/server.ts";
import type { TestIdentity } from "#test/support/authority.ts";
import { runAuthority } from "#test/support/run-authority.ts";

/** A service as small as can be that has one method of each kind. */
export const toyApi = contract({
  getconfig: method({
    result: z.object({ version: z.string(), count: z.int(), bare: z.boolean() }),
    help: "What this is.",
    plain: true,
  }),
  echo: method({
    params: z.object({ value: z.unknown() }),
    result: z.unknown(),
    help: "Gives back what it got.",
  }),
  whoami: method({ result: z.string(), help: "The name of the caller's key." }),
  add: method({
    params: z.object({ amount: z.int().positive(), note: z.string().optional() }),
    result: z.object({ total: z.int(), stamp: z.string() }),
    help: "Adds to the count.",
    mutates: true,
  }),
  addfor: method({
    params: z.object({ document: z.string(), amount: z.int() }),
    result: z.int(),
    help: "Adds for whoever signed the document.",
    mutates: true,
    signed: true,
  }),
  refuse: method({ result: z.string(), help: "Refuses." }),
  fail: method({ result: z.string(), help: "Fails as programs do." }),
  wait: method({ result: z.string(), help: "Answers when the test lets it." }),
});

/** Answers in memory, with the one rule a store owes: a scope is taken once. */
class ToyStore {
  count = 0;
  readonly kept = new Map<string, KeptReply>();
  /** Called before a commit, to let another call in between. */
  beforeCommit: () => Promise<void> = async () => {};

  findReply(scope: object): KeptReply | undefined {
    return this.kept.get(JSON.stringify(scope));
  }

  async transaction<T>(change: (save: (kept: ReplyToKeep) => void) => T): Promise<T> {
    await this.beforeCommit();
    const before = this.count;
    try {
      return change((reply) => {
        const key = JSON.stringify(reply.scope);
        if (this.kept.has(key)) throw new AlreadyAnswered();
        this.kept.set(key, reply);
      });
    } catch (error) {
      this.count = before;
      throw error;
    }
  }
}

export type Toy = XmlRpcServer & {
  readonly store: ToyStore;
  /** What was logged. */
  readonly log: object[];
  readonly revoked: Set<string>;
  /** Real time as peers are checked against it, moved by this many milliseconds. */
  shift: number;
  /** Lets every call of `wait` answer. */
  readonly release: () => void;
  /** Fires whenever a call of `wait` arrives. */
  readonly waiting: EventTarget;
  readonly server: TestIdentity;
  /** Every connection a request came on. */
  readonly sockets: Set<TLSSocket>;
};

export async function startToy(
  server: TestIdentity,
  options: Partial<XmlRpcServerOptions> = {},
): Promise<Toy> {
  const store = new ToyStore();
  const gate = Promise.withResolvers<void>();
  const log: object[] = [];
  const sockets = new Set<TLSSocket>();
  const revoked = new Set<string>();
  const waiting = new EventTarget();
  const toy = { store, log, revoked, shift: 0, release: gate.resolve, waiting, server, sockets };
  const authenticate = (socket: TLSSocket) => {
    sockets.add(socket);
    return peerOf(socket, { now: new Date(Date.now() + toy.shift), isRevoked: (key) => revoked.has(key) });
  };
  const running = await startXmlRpcServer(toyApi, handlers(toy, gate.promise), {
    tls: { host: "127.0.0.1", port: 0, options: serverTlsOptions(server.tls) },
    plain: { host: "127.0.0.1", port: 0 },
    authenticate,
    clock: { now: () => 1_900_000_000 },
    log: { error: (facts, message) => void log.push({ ...facts, message }) },
    replies: store,
    ...options,
  });
  return Object.assign(toy, running);
}

function handlers(
  { store, waiting }: Pick<Toy, "store" | "waiting">,
  gate: Promise<void>,
): Handlers<typeof toyApi> {
  return {
    getconfig: (_, { bare }) => ({ version: "toy", count: store.count, bare }),
    echo: ({ value }) => value ?? null,
    whoami: (_, { peer }) => peer.name,
    add: ({ amount }, { replay, now }) =>
      store.transaction((save) => {
        store.count += amount;
        const result = { total: store.count, stamp: randomBytes(8).toString("hex") };
        replay?.remember(result, now + 60, save);
        return result;
      }),
    addfor: async ({ document, amount }, { replay, now }) => {
      await replay?.signedBy(document);
      return store.transaction((save) => {
        store.count += amount;
        replay?.remember(store.count, now + 60, save);
        return store.count;
      });
    },
    refuse: () => {
      throw new Fault("NO_CAPACITY", "the node is full; try another");
    },
    fail: () => {
      throw new Error("SELECT secret FROM /etc/passwd");
    },
    wait: async () => {
      waiting.dispatchEvent(new Event("call"));
      await gate;
      return "done";
    },
  };
}

/** An authority, a server's identity and two clients', made once for a file of tests. */
export async function toyParties() {
  const authority = await runAuthority();
  const [server, alice, bob] = await Promise.all([
    authority.server("toy"),
    authority.client("alice"),
    authority.client("bob"),
  ]);
  return { authority, server, alice, bob };
}

export function connectionsOf(identity: { tls: TestIdentity["tls"] }): Connections {
  return new Connections(clientTlsOptions(identity.tls));
}
