import pLimit from "p-limit";
import type { Log } from "#shared/runtime/log.ts";
import type { Doubt } from "../store/tickets.ts";

/** Puts tickets to their node; gives its signed statement of what became of them. */
export type AskNode = (node: Doubt, tickets: readonly string[], signal?: AbortSignal) => Promise<string>;

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
