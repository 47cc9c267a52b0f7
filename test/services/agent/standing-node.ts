import { peerOf, serverTlsOptions } from "#shared/identity/tls.ts";
import { Fault } from "#shared/model/errors.ts";
import { silentLog } from "#shared/runtime/log.ts";
import { parseDocument } from "#shared/wire/document.ts";
import { nodeManagerApi } from "#shared/wire/node-manager-api.ts";
import { type StatedTicket, sealStatement, type TicketState } from "#shared/wire/statement-document.ts";
import type { Handlers } from "#shared/wire/xmlrpc/dispatch.ts";
import { startXmlRpcServer } from "#shared/wire/xmlrpc/server.ts";
import type { TestIdentity } from "../../support/authority.ts";
import type { FixedClock } from "../../support/clock.ts";

/** A node as far as its agents' questions go: it answers `canceltickets`, signed, takes lists, and nothing else. */
export type StandingNode = AsyncDisposable & {
  readonly port: number;
  /** Ids it was asked about, in order. */
  readonly asked: string[];
  /** What it says of tickets, where that is not that they are cancelled now. */
  readonly states: Map<string, TicketState>;
  /** Lists of what is revoked that it was told, in order. */
  readonly lists: string[];
  /** How it takes the next ones; by default it does. */
  take?: (list: string) => Promise<void> | void;
  /** Says what is not so, when set: instead of its own statement. */
  lie?: (honest: string) => string;
};

export async function standingNode(
  identity: TestIdentity,
  ip: string,
  clock: FixedClock,
): Promise<StandingNode> {
  const asked: string[] = [];
  const states = new Map<string, TicketState>();
  const refuse = () => {
    throw new Fault("NO_METHOD", "this node only answers its agents");
  };
  const handlers = Object.fromEntries(Object.keys(nodeManagerApi).map((name) => [name, refuse]));
  const lists: string[] = [];
  const node: Pick<StandingNode, "asked" | "states" | "lists" | "take" | "lie"> = { asked, states, lists };
  const server = await startXmlRpcServer(
    nodeManagerApi,
    {
      ...handlers,
      async postrevocations({ list }: { list: string }) {
        lists.push(list);
        await node.take?.(list);
        return 1;
      },
      canceltickets: ({ tickets }: { tickets: string[] }) => {
        const stated = tickets.map((text): StatedTicket => {
          const { id } = parseDocument(text);
          asked.push(id);
          return { id, state: states.get(id) ?? "cancelled" };
        });
        const statement = { node: identity.name, at: clock.now(), tickets: stated };
        const honest = sealStatement(statement, identity.signingKey);
        return node.lie?.(honest) ?? honest;
      },
    } as unknown as Handlers<typeof nodeManagerApi>,
    {
      clock,
      log: silentLog(),
      replies: { findReply: () => undefined },
      tls: { host: ip, port: 0, options: serverTlsOptions(identity.tls) },
      authenticate: (socket) => peerOf(socket, { now: new Date() }),
    },
  );
  return Object.assign(node, { port: server.port, [Symbol.asyncDispose]: () => server.close() });
}
