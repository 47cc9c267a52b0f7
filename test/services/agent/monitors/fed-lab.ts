import assert from "node:assert/strict";
import { type AgentLab, agentLab, type LabNode, type LabOptions } from "../agent-lab.ts";
import { type Feed, feed } from "./feed.ts";

export type FedLab = AsyncDisposable & { readonly lab: AgentLab; readonly feeds: readonly [Feed, Feed] };

/** An agent that polls two feeds, which have told nothing yet. */
export async function fedLab(options: LabOptions = {}): Promise<FedLab> {
  await using owned = new AsyncDisposableStack();
  const feeds = [owned.use(await feed()), owned.use(await feed())] as const;
  const monitors = feeds.map(({ address }) => ({ ...address }));
  const lab = owned.use(await agentLab({ ...options, config: { monitors, ...options.config } }));
  await lab.agent.look();
  const kept = owned.move();
  return { lab, feeds, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Polls every monitor once more, half a minute later. */
export async function polled({ clock, agent }: AgentLab): Promise<void> {
  clock.advance(30);
  await agent.look();
}

/** What the agent advertises of a node. */
export async function ad({ alice }: AgentLab, node: LabNode) {
  const [one] = await alice.client.getads({ nodes: [node.name] });
  assert.ok(typeof one === "object");
  return one;
}
