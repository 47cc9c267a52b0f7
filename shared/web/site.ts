import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import { Fault } from "../model/errors.ts";
import { CONTENT_TYPE } from "../runtime/open-metrics.ts";
import { ConnectionCounts } from "../wire/xmlrpc/connection-counts.ts";
import type { Asset, Assets } from "./assets.ts";
import { isOwnHost } from "./host.ts";
import { addLiveRoute } from "./live-route.ts";
import { openApi } from "./open-api.ts";
import { type Frame, type Page, pageHtml, pageJson, pageSections } from "./page.ts";
import { routeOf } from "./route.ts";
import type { SecurePort } from "./secure-port.ts";
import type { WebOptions } from "./server.ts";
import { nothingHere, refusedPage, whoText } from "./server-pages.ts";
import type { ShownCertificate } from "./shown-certificate.ts";
import { mayRead, STRANGER, type Viewer } from "./viewer.ts";
import { boundVisits, VISIT_LIMITS } from "./visits.ts";

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

/** More than browsers behind one address open; few beside those that calls may take. */
const CONNECTIONS = 4096;
const CONNECTIONS_OF_ADDRESS = 512;

/** Answered under whatever name they are asked: they tell nothing, and whoever watches a service may know it by name. */
const FOR_EVERYBODY = new Set(["/health", "/ready"]);

export type SecureSite = SecurePort & { readonly shown: ShownCertificate };

/** Everything at one port. */
export async function siteOf(
  options: WebOptions,
  assets: Assets,
  secure?: SecureSite,
): Promise<FastifyInstance> {
  const { service, routes, metrics, log } = options;
  const asJson = new WeakSet<object>();
  const app = appOf(secure, asJson);
  boundConnections(app);
  if (secure) endOutdated(app, secure.shown);
  const isOurs = hostCheck(options, secure);
  app.addHook("onRequest", async (request, reply) => {
    reply.headers(HEADERS);
    if (FOR_EVERYBODY.has(request.url) || isOurs(request.headers.host)) return;
    return reply.code(421).type("text/plain").send("Not served here.\n");
  });
  const keyOf = (request: FastifyRequest) => secure?.client(request.raw.socket as TLSSocket);
  const free = new Set(["/health", ...Object.values(assets).map(({ path }) => path)]);
  await boundVisits(app, { ...VISIT_LIMITS, ...options.visits }, { keyOf, free });
  app.setErrorHandler((error, _request, reply) => {
    log.warn({ err: error }, "an answer to a browser could not be made");
    reply
      .code(503)
      .type("text/plain")
      .send(`${troubleText(service, error)}\n`);
  });
  const viewerOf = async (request: FastifyRequest) =>
    secure ? await secure.viewer(request.raw.socket as TLSSocket) : STRANGER;
  const frame = framer(options, assets, secure !== undefined);
  const send = sender(frame, asJson, secure !== undefined);
  for (const { path, page, audience } of routes) {
    if (!secure && !mayRead(STRANGER, audience)) continue;
    app.get(path, async (request, reply) => {
      const viewer = await viewerOf(request);
      if (!mayRead(viewer, audience)) {
        return send(request, reply.code(403), refusedPage(options, viewer, audience), viewer);
      }
      const found = await page(request.params as Record<string, string>, viewer);
      if (found) return send(request, reply, found, viewer);
      return send(request, reply.code(404), nothingHere(options, viewer), viewer);
    });
  }
  app.setNotFoundHandler(async (request, reply) => {
    const viewer = await viewerOf(request);
    return send(request, reply.code(404), nothingHere(options, viewer), viewer);
  });
  for (const asset of Object.values(assets)) addAsset(app, asset);
  addHealth(app, options);
  let watchers = 0;
  addLiveRoute(app, {
    ...{ terms: options.live, log },
    // Each is checked by itself, anew for each look: no two have a page made together.
    viewer: secure && (() => `${++watchers}`),
    client: async (request) => {
      const { audience, name } = await viewerOf(request);
      return { pool: audience, client: name ?? request.ip };
    },
    page: async (of, request) => {
      const found = routeOf(routes, of.pathname);
      const viewer = await viewerOf(request);
      if (!found || !mayRead(viewer, found.route.audience)) return undefined;
      const page = await found.route.page(found.parameters, viewer);
      return page && (() => pageSections(page, frame(of, viewer)));
    },
  });
  app.get("/openapi", async (request, reply) => {
    const described = await openApi(
      { service, routes, metrics: metrics !== undefined },
      await viewerOf(request),
    );
    return reply.type("application/json; charset=utf-8").send(described);
  });
  if (metrics) app.get("/metrics", async (_request, reply) => reply.type(CONTENT_TYPE).send(await metrics()));
  options.more?.(app);
  return app;
}

/** Pages are for everybody, and served by who has other work to do: nobody takes all its connections for them. */
function boundConnections({ server }: FastifyInstance): void {
  const counts = new ConnectionCounts(CONNECTIONS_OF_ADDRESS);
  server.maxConnections = CONNECTIONS;
  server.on("connection", (socket) => {
    if (!counts.hold(socket.remoteAddress ?? "", socket)) socket.destroy();
  });
}

/** Connections that were shown another certificate end after their next answer. */
function endOutdated(app: FastifyInstance, shown: ShownCertificate): void {
  app.server.on("secureConnection", (socket: TLSSocket) => shown.made(socket));
  app.addHook("onSend", async (request, reply) => {
    if (shown.isOutdated(request.raw.socket)) reply.header("connection", "close");
  });
}

function appOf(secure: SecurePort | undefined, asJson: WeakSet<object>): FastifyInstance {
  const options = {
    ...{ forceCloseConnections: true, exposeHeadRoutes: false, requestTimeout: REQUEST_MS, bodyLimit: 1024 },
    rewriteUrl: (request: IncomingMessage) => withoutEnding(request, asJson),
    frameworkErrors: (_error: unknown, _request: unknown, reply: FastifyReply) => {
      reply.headers(HEADERS).code(400).type("text/plain").send("That address makes no sense.\n");
    },
  };
  // The type of an application says what server it runs on, and nothing here asks.
  return secure
    ? (fastify({ ...options, https: secure.options }) as unknown as FastifyInstance)
    : fastify(options);
}

/** Over TLS also a name that the certificate carries: nobody else can have it. */
function hostCheck(
  { address, names = [] }: WebOptions,
  secure: SecureSite | undefined,
): (host: string | undefined) => boolean {
  return (host) => {
    if (isOwnHost(host, address, names)) return true;
    const name = host?.replace(/:\d+$/, "").toLowerCase();
    return name !== undefined && secure?.shown.names(name) === true;
  };
}

/** `/nodes.json` is `/nodes`, asked for as JSON; `/index.json` is `/`. A name's dots are never written as dots. */
function withoutEnding(request: IncomingMessage, asJson: WeakSet<object>): string {
  const [, path, query = ""] = /^([^?]*)\.json(\?.*)?$/s.exec(request.url ?? "") ?? [];
  if (path === undefined) return request.url ?? "/";
  asJson.add(request);
  return (path === "/index" ? "/" : path) + query;
}

type Send = (request: FastifyRequest, reply: FastifyReply, page: Page, viewer: Viewer) => FastifyReply;

/** What is around a page at this address, for whoever looks. */
type Framer = (of: URL, viewer: Viewer) => Frame;

function framer({ service, routes }: WebOptions, { style, script, icon }: Assets, secure: boolean): Framer {
  const around = { service, style: style.address, script: script.address, icon: icon.address };
  return ({ pathname: path, searchParams: parameters }, viewer) => {
    const links = routes.flatMap(({ path: href, link: title, audience }) =>
      title !== undefined && mayRead(viewer, audience) ? [{ href, title }] : [],
    );
    return { ...around, links, path, parameters, who: secure ? whoText(viewer) : undefined };
  };
}

function sender(frame: Framer, asJson: WeakSet<object>, secure: boolean): Send {
  return (request, reply, page, viewer) => {
    const of = new URL(request.url, "http://here");
    // Over TLS it depends on the certificate, which no header tells.
    reply.header("vary", secure ? "*" : "accept");
    if (asJson.has(request.raw) || wantsJson(request.headers.accept)) {
      return reply.type("application/json; charset=utf-8").send(pageJson(page, of.searchParams));
    }
    return reply.type("text/html; charset=utf-8").send(pageHtml(page, frame(of, viewer)));
  };
}

function wantsJson(accept = ""): boolean {
  return /\bapplication\/json\b/.test(accept) && !/\btext\/html\b/.test(accept);
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
