import pLimit from "p-limit";
import { hostAndPort } from "#shared/model/address.ts";
import type { Log } from "#shared/runtime/log.ts";
import { nodeManagerApi } from "#shared/wire/node-manager-api.ts";
import { xmlRpcClient } from "#shared/wire/xmlrpc/client.ts";
import type { Connections } from "#shared/wire/xmlrpc/connections.ts";
import type { Doubt } from "../store/issuing/tickets.ts";

/** Puts tickets to their node; gives its signed statement of what became of them. */
export type AskNode = (node: Doubt, tickets: readonly string[], signal?: AbortSignal) => Promise<string>;

/** Questions to a node, known by its key wherever it is. */
export function nodeQuestions(
  connections: Connections,
  timeoutMs: number,
): { readonly cancelAt: AskNode; readonly stateAt: AskNode } {
  const asking =
    (method: "canceltickets" | "statetickets"): AskNode =>
    async ({ node, ip, sslport }, tickets, signal) => {
      const url = `https://${hostAndPort(ip, sslport)}/RPC2`;
      const client = xmlRpcClient(nodeManagerApi, { url, connections, expectedPeer: node, timeoutMs });
      return await client[method]({ tickets: [...tickets] }, { signal });
    };
  return { cancelAt: asking("canceltickets"), stateAt: asking("statetickets") };
}

/** Nodes that are asked at the same time. */
const AT_ONCE = 32;

/** Asks many nodes, each by itself: one that does not answer is asked the next time, and keeps no other waiting. */
export async function askNodes<Node extends Doubt>(
  nodes: readonly Node[],
  ask: (node: Node) => Promise<void>,
  { log, signal }: { readonly log: Log; readonly signal?: AbortSignal },
): Promise<void> {
  const limit = pLimit(AT_ONCE);
  await Promise.all(
    nodes.map((node) =>
      limit(async () => {
        if (signal?.aborted) return;
        try {
          await ask(node);
        } catch (error) {
          if (!signal?.aborted)
            log.warn({ err: error, node: node.node }, "a node did not say what became of tickets");
        }
      }),
    ),
  );
}
