import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { fastify } from "fastify";

export type WebPage = AsyncDisposable & { readonly port: number };

export type WebPageOptions = {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly render: () => string;
};

/** No script at all, no form, nothing from elsewhere, in nobody's frame. */
const HEADERS = {
  "content-security-policy":
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
} as const;

/** Serves one page that shows and never changes anything: GET only, the same for everybody. */
export async function startWebPage({ host, port, render }: WebPageOptions): Promise<WebPage> {
  const style = await readFile(new URL("style.css", import.meta.url));
  const app = fastify({ forceCloseConnections: true, requestTimeout: 10_000, bodyLimit: 1024 });
  app.addHook("onSend", async (_request, reply) => void reply.headers(HEADERS));
  app.get("/", (_request, reply) => reply.type("text/html; charset=utf-8").send(render()));
  app.get("/style.css", (_request, reply) => reply.type("text/css; charset=utf-8").send(style));
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).type("text/plain").send("There is one page: /\n"),
  );
  app.setErrorHandler((_error, _request, reply) =>
    reply.code(500).type("text/plain").send("The page could not be made; the node itself may be well.\n"),
  );
  await app.listen({ host, port });
  return {
    port: (app.server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => app.close(),
  };
}
