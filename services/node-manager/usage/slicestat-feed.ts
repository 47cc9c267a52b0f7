import type { AddressInfo } from "node:net";
import { fastify } from "fastify";
import type { StoredLease } from "../store/lease-rows.ts";
import type { UsageHistory } from "./history.ts";
import { type SlicestatNode, slicestatLine } from "./slicestat.ts";

/** `port` 0: there is none. */
export type SlicestatFeed = AsyncDisposable & { readonly port: number };

export type SlicestatOptions = {
  readonly host: string;
  /** 0 takes any free one; absent: there is no feed. */
  readonly port: number | undefined;
  readonly node: SlicestatNode;
  /** Leases whose slivers are here. */
  readonly live: () => readonly StoredLease[];
  readonly history: UsageHistory;
};

/** Serves the feed to anybody, from memory: no engine is asked for it, and nothing can be changed. */
export async function startSlicestat(options: SlicestatOptions): Promise<SlicestatFeed> {
  const { host, port, node, live, history } = options;
  if (port === undefined) return { port: 0, async [Symbol.asyncDispose]() {} };
  const app = fastify({ forceCloseConnections: true, requestTimeout: 10_000, bodyLimit: 1024 });
  const feed = () => live().map((lease) => `${slicestatLine(lease, history.of(lease.sliver), node)}\n`);
  for (const path of ["/", "/slicestat"]) {
    app.get(path, (_request, reply) =>
      reply
        .headers({ "cache-control": "no-store", "x-content-type-options": "nosniff" })
        .type("text/plain; charset=utf-8")
        .send(feed().join("")),
    );
  }
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).type("text/plain").send("There is one feed: /slicestat\n"),
  );
  app.setErrorHandler((_error, _request, reply) =>
    reply.code(500).type("text/plain").send("The feed could not be made; the node itself may be well.\n"),
  );
  await app.listen({ host, port });
  return {
    port: (app.server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => app.close(),
  };
}
