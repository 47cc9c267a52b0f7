import type { AddressInfo } from "node:net";
import { fastify } from "fastify";
import { Fault } from "#shared/model/errors.ts";
import type { Log } from "#shared/runtime/log.ts";
import { CONTENT_TYPE, openMetrics } from "#shared/runtime/open-metrics.ts";
import { type Overview, overviewFamilies, overviewPage } from "./overview.ts";

export type WebOptions = {
  readonly address: string;
  readonly port: number;
  readonly state: () => Promise<Overview>;
  readonly log: Log;
};

export type WebServer = AsyncDisposable & { readonly port: number };

const HEADERS = {
  "content-security-policy":
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
};

/** Serves what strangers may see of a broker, to be read and nothing else. */
export async function startWeb({ address, port, state, log }: WebOptions): Promise<WebServer> {
  const app = fastify({ forceCloseConnections: true, exposeHeadRoutes: false, bodyLimit: 1024 });
  app.addHook("onRequest", async (request, reply) => {
    reply.headers(HEADERS);
    // A name that was made to point here is another site's: its scripts must not read this page.
    if (!isOwnHost(request.headers.host, address))
      return reply.code(421).type("text/plain").send("Not served here.\n");
  });
  app.setErrorHandler((error, _request, reply) => {
    const down = error instanceof Fault && error.name === "STORE_DOWN";
    log.warn({ err: error }, "an answer to a browser could not be made");
    const text = down ? "The broker's database cannot be reached just now.\n" : "Something failed inside.\n";
    return reply.code(503).type("text/plain").send(text);
  });
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).type("text/plain").send("There is a page at / and there are metrics at /metrics\n"),
  );
  app.get("/", async (_request, reply) =>
    reply.type("text/html; charset=utf-8").send(overviewPage(await state())),
  );
  app.get("/metrics", async (_request, reply) =>
    reply.type(CONTENT_TYPE).send(openMetrics(overviewFamilies(await state()))),
  );
  await app.listen({ host: address, port });
  return {
    port: (app.server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => app.close(),
  };
}

/** Addresses, never names, except the one that always means this machine. */
function isOwnHost(header: string | undefined, address: string): boolean {
  const host = header?.replace(/:\d+$/, "");
  if (address === "0.0.0.0" && host !== undefined && /^[\d.]+$/.test(host)) return true;
  return host === address || host === `[${address}]` || host === "localhost";
}
