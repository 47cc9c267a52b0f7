import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { TLSSocket, Server as TlsServer } from "node:tls";
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from "fastify";
import type { ServerTlsOptions } from "../identity/tls.ts";
import { Fault } from "../model/errors.ts";
import type { Instant } from "../model/time.ts";
import type { Log } from "../runtime/log.ts";
import { CONTENT_TYPE } from "../runtime/open-metrics.ts";
import { type Asset, type Assets, loadAssets } from "./assets.ts";
import { isOwnHost } from "./host.ts";
import { type Page, pageHtml, pageJson } from "./page.ts";
import { nothingHere, refusedPage, whoText } from "./server-pages.ts";
import { ShownCertificate } from "./shown-certificate.ts";
import { type Audience, mayRead, STRANGER, type Viewer } from "./viewer.ts";

/** A page at a path; `/nodes/:node` stands for one of each node. Undefined where there is no such thing. */
export type Route = {
  readonly path: string;
  readonly page: (
    parameters: Readonly<Record<string, string>>,
    viewer: Viewer,
  ) => Promise<Page | undefined> | Page | undefined;
  /** What the navigation calls it, if it is there. */
  readonly link?: string;
  /** Whom it is for; absent: everybody. What is for fewer is not there at all without TLS. */
  readonly audience?: Audience;
};

/** A second port, over TLS, where whoever shows a certificate may see more. */
export type SecurePort = {
  readonly port: number;
  readonly options: ServerTlsOptions;
  /** Who sent a request. Called for every one. */
  readonly viewer: (socket: TLSSocket) => Promise<Viewer> | Viewer;
};

export type WebOptions = {
  readonly address: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly secure?: SecurePort;
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
  readonly log: Log;
};

export type WebServer = AsyncDisposable & {
  readonly port: number;
  /** Where the pages are over TLS, if they are. */
  readonly securePort?: number;
  /** Over TLS, shows another certificate or trusts others from now on; connections there are end after an answer. */
  renew(options: ServerTlsOptions): void;
};

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
 * Serves pages that show and never change anything: GET only, and over plain HTTP the same for everybody. Each is HTML,
 * or JSON where the path ends in .json or the request accepts that and no HTML. Beside them are `/health` (the process
 * answers), `/ready` (so does what it needs) and, where there are numbers, `/metrics`.
 */
export async function startWebServer(options: WebOptions): Promise<WebServer> {
  const { address, port, secure } = options;
  const assets = await loadAssets();
  await using owned = new AsyncDisposableStack();
  const open = async (app: FastifyInstance, at: number) => {
    owned.defer(() => app.close());
    await app.listen({ host: address, port: at });
    return (app.server.address() as AddressInfo).port;
  };
  const shown = secure && new ShownCertificate(secure.options);
  const secureSite = shown && siteOf(options, assets, { ...secure, shown });
  const securePort = secureSite && (await open(secureSite, secure.port));
  const plainPort = await open(siteOf(options, assets), port);
  const kept = owned.move();
  return {
    port: plainPort,
    ...(securePort !== undefined && { securePort }),
    renew(tls) {
      shown?.renew(tls);
      (secureSite?.server as TlsServer | undefined)?.setSecureContext(tls);
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

type SecureSite = SecurePort & { readonly shown: ShownCertificate };

/** Everything at one port. */
function siteOf(options: WebOptions, assets: Assets, secure?: SecureSite): FastifyInstance {
  const { service, routes, metrics, log } = options;
  const asJson = new WeakSet<object>();
  const app = appOf(secure, asJson);
  if (secure) endOutdated(app, secure.shown);
  const isOurs = hostCheck(options, secure);
  app.addHook("onRequest", async (request, reply) => {
    reply.headers(HEADERS);
    if (FOR_EVERYBODY.has(request.url) || isOurs(request.headers.host)) return;
    return reply.code(421).type("text/plain").send("Not served here.\n");
  });
  app.setErrorHandler((error, _request, reply) => {
    log.warn({ err: error }, "an answer to a browser could not be made");
    reply
      .code(503)
      .type("text/plain")
      .send(`${troubleText(service, error)}\n`);
  });
  const viewerOf = async (request: FastifyRequest) =>
    secure ? await secure.viewer(request.raw.socket as TLSSocket) : STRANGER;
  const send = sender(options, assets, { asJson, secure: secure !== undefined });
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
  if (metrics) app.get("/metrics", async (_request, reply) => reply.type(CONTENT_TYPE).send(await metrics()));
  options.more?.(app);
  return app;
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
  { address }: WebOptions,
  secure: SecureSite | undefined,
): (host: string | undefined) => boolean {
  return (host) => {
    if (isOwnHost(host, address)) return true;
    const name = host?.replace(/:\d+$/, "");
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

type Manner = { readonly asJson: WeakSet<object>; readonly secure: boolean };

function sender({ service, routes }: WebOptions, assets: Assets, { asJson, secure }: Manner): Send {
  const { style, script, icon } = assets;
  const addresses = { style: style.address, script: script.address, icon: icon.address };
  return (request, reply, page, viewer) => {
    const { pathname: path, searchParams: parameters } = new URL(request.url, "http://here");
    // Over TLS it depends on the certificate, which no header tells.
    reply.header("vary", secure ? "*" : "accept");
    if (asJson.has(request.raw) || wantsJson(request.headers.accept)) {
      return reply.type("application/json; charset=utf-8").send(pageJson(page, parameters));
    }
    const links = routes.flatMap(({ path: href, link: title, audience }) =>
      title !== undefined && mayRead(viewer, audience) ? [{ href, title }] : [],
    );
    const who = secure ? whoText(viewer) : undefined;
    return reply
      .type("text/html; charset=utf-8")
      .send(pageHtml(page, { service, links, path, parameters, who, ...addresses }));
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
