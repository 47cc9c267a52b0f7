import type { AddressInfo } from "node:net";
import { fastify } from "fastify";
import { CONTENT_TYPE } from "#shared/runtime/open-metrics.ts";

export type WebOptions = { readonly address: string; readonly port: number; readonly metrics: () => string };

export type Web = AsyncDisposable & { readonly port: number };

/** Serves /metrics, to be scraped. */
export async function startWeb({ address, port, metrics }: WebOptions): Promise<Web> {
  const app = fastify({ forceCloseConnections: true, bodyLimit: 1024 });
  app.addHook("onRequest", async (_request, reply) => {
    reply.headers({ "x-content-type-options": "nosniff", "cache-control": "no-store" });
  });
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).type("text/plain").send("There is one page, at /metrics\n"),
  );
  app.get("/metrics", async (_request, reply) => reply.type(CONTENT_TYPE).send(metrics()));
  await app.listen({ host: address, port });
  return {
    port: (app.server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => app.close(),
  };
}
