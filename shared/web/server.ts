import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import { Fault } from "../model/errors.ts";
import type { Instant } from "../model/time.ts";
import type { Log } from "../runtime/log.ts";
import { CONTENT_TYPE } from "../runtime/open-metrics.ts";
import { type Asset, type Assets, loadAssets } from "./assets.ts";
import { isOwnHost } from "./host.ts";
import { html } from "./html.ts";
import type { LiveTerms } from "./live.ts";
import { addLiveRoute } from "./live-route.ts";
import { type Frame, type Page, pageHtml, pageJson, pageSections } from "./page.ts";
import { type Route, routeOf } from "./route.ts";

export type WebOptions = {
  readonly address: string;
  /** 0 takes any free one. */
  readonly port: number;
  /** Names it is asked for by, besides addresses. */
  readonly names?: readonly string[];
  /** "Slicelab agent". */
  readonly service: string;
  readonly routes: readonly Route[];
  readonly now: () => Instant;
  /** Throws when what the service needs for its work is away. */
  readonly ready: () => Promise<unknown> | unknown;
  /** Numbers, as OpenMetrics has them. */
  readonly metrics?: () => Promise<string> | string;
  /** What is no page: documents of the service's own. */
  readonly more?: (app: FastifyInstance) => void;
  /** How often what changed is told to those who look on, in milliseconds, and to how many. */
  readonly live?: Partial<LiveTerms>;
  readonly log: Log;
};

export type WebServer = AsyncDisposable & { readonly port: number };

/** Nothing inline, nothing from elsewhere, in nobody's frame, and forms only back to here. */
const HEADERS = {
  "content-security-policy":
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; " +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
} as const;

/** For one request to be read and answered. */
const REQUEST_MS = 10_000;

/** Answered under whatever name they are asked: they tell nothing, and whoever watches a service may know it by name. */
const FOR_EVERYBODY = new Set(["/health", "/ready"]);

/**
 * Serves pages that show and never change anything: GET only, the same for everybody. Each is HTML, or JSON where the
 * path ends in .json or the request accepts that and no HTML. Beside them are `/health` (the process answers), `/ready`
 * (so does what it needs) and, where there are numbers, `/metrics`.
 */
export async function startWebServer(options: WebOptions): Promise<WebServer> {
  const { address, port, names = [], service, routes, metrics, log } = options;
  const assets = await loadAssets();
  const asJson = new WeakSet<object>();
  const app = fastify({
    ...{ forceCloseConnections: true, exposeHeadRoutes: false, requestTimeout: REQUEST_MS, bodyLimit: 1024 },
    rewriteUrl: (request) => withoutEnding(request, asJson),
    frameworkErrors: (_error, _request, reply: FastifyReply) => {
      reply.headers(HEADERS).code(400).type("text/plain").send("That address makes no sense.\n");
    },
  });
  app.addHook("onRequest", async (request, reply) => {
    reply.headers(HEADERS);
    if (FOR_EVERYBODY.has(request.url) || isOwnHost(request.headers.host, address, names)) return;
    return reply.code(421).type("text/plain").send("Not served here.\n");
  });
  app.setErrorHandler((error, _request, reply) => {
    log.warn({ err: error }, "an answer to a browser could not be made");
    reply
      .code(503)
      .type("text/plain")
      .send(`${troubleText(service, error)}\n`);
  });
  const frame = framer(options, assets);
  const send = sender(frame, asJson);
  for (const { path, page } of routes) {
    app.get(path, async (request, reply) => {
      const found = await page(request.params as Record<string, string>);
      return found ? send(request, reply, found) : send(request, reply.code(404), nothingHere(options));
    });
  }
  app.setNotFoundHandler((request, reply) => send(request, reply.code(404), nothingHere(options)));
  for (const asset of Object.values(assets)) addAsset(app, asset);
  addHealth(app, options);
  addLiveRoute(app, {
    ...{ terms: options.live, log },
    sections: async (of) => {
      const found = routeOf(routes, of.pathname);
      const page = await found?.route.page(found.parameters);
      return page && pageSections(page, frame(of));
    },
  });
  if (metrics) app.get("/metrics", async (_request, reply) => reply.type(CONTENT_TYPE).send(await metrics()));
  options.more?.(app);
  await app.listen({ host: address, port });
  return {
    port: (app.server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => app.close(),
  };
}

/** `/nodes.json` is `/nodes`, asked for as JSON; `/index.json` is `/`. A name's dots are never written as dots. */
function withoutEnding(request: IncomingMessage, asJson: WeakSet<object>): string {
  const [, path, query = ""] = /^([^?]*)\.json(\?.*)?$/s.exec(request.url ?? "") ?? [];
  if (path === undefined) return request.url ?? "/";
  asJson.add(request);
  return (path === "/index" ? "/" : path) + query;
}

type Send = (request: FastifyRequest, reply: FastifyReply, page: Page) => FastifyReply;

/** What is around a page at this address. */
type Framer = (of: URL) => Frame;

function framer({ service, routes }: WebOptions, { style, script, icon }: Assets): Framer {
  const links = routes.flatMap(({ path, link }) => (link === undefined ? [] : [{ href: path, title: link }]));
  const around = { service, links, style: style.address, script: script.address, icon: icon.address };
  return ({ pathname: path, searchParams: parameters }) => ({ ...around, path, parameters });
}

function sender(frame: Framer, asJson: WeakSet<object>): Send {
  return (request, reply, page) => {
    const of = new URL(request.url, "http://here");
    reply.header("vary", "accept");
    if (asJson.has(request.raw) || wantsJson(request.headers.accept)) {
      return reply.type("application/json; charset=utf-8").send(pageJson(page, of.searchParams));
    }
    return reply.type("text/html; charset=utf-8").send(pageHtml(page, frame(of)));
  };
}

function wantsJson(accept = ""): boolean {
  return /\bapplication\/json\b/.test(accept) && !/\btext\/html\b/.test(accept);
}

function nothingHere({ routes, now }: WebOptions): Page {
  const links = routes.flatMap(({ path, link }) =>
    link === undefined ? [] : [html`<li><a href="${path}">${link}</a></li>`],
  );
  const body = html`<p>Nothing has this address now. It may have ended or been taken away since. There are:</p><ul>${links}</ul>`;
  return { title: "Nothing here", now: now(), parts: [{ id: "pages", title: "Pages", body }] };
}

function addAsset(app: FastifyInstance, { path, address, type, bytes }: Asset): void {
  app.get(path, (request, reply) => {
    if (request.url === address) reply.header("cache-control", "public, max-age=31536000, immutable");
    return reply.type(type).send(bytes);
  });
}

function addHealth(app: FastifyInstance, { service, ready, log }: WebOptions): void {
  app.get("/health", (_request, reply) => reply.type("text/plain").send("ok\n"));
  app.get("/ready", async (_request, reply) => {
    try {
      await ready();
    } catch (error) {
      log.debug({ err: error }, "not ready");
      return reply
        .code(503)
        .type("text/plain")
        .send(`${troubleText(service, error)}\n`);
    }
    return reply.type("text/plain").send("ready\n");
  });
}

function troubleText(service: string, error: unknown): string {
  const down = error instanceof Fault && error.name === "STORE_DOWN";
  return down ? `${service}: its database cannot be reached just now.` : "Something failed inside.";
}
