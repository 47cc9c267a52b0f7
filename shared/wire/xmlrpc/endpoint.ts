import type { AddressInfo } from "node:net";
import { setTimeout } from "node:timers/promises";
import type { TLSSocket, Server as TlsServer } from "node:tls";
import rateLimit from "@fastify/rate-limit";
import { errorCodes, type FastifyInstance, type FastifyRequest, fastify } from "fastify";
import type { Peer, ServerTlsOptions } from "#shared/identity/tls.ts";
import { Fault, refuseUnless } from "#shared/model/errors.ts";
import { REQUEST_ID_HEADER, requestIdFrom, withRequestId } from "#shared/runtime/request-context.ts";
import { ConnectionCounts } from "./connection-counts.ts";
import { type Dispatch, faultOf, type ServerLog } from "./dispatch.ts";
import { encodeFault } from "./encode.ts";
import { REQUEST_LIMITS } from "./value.ts";

/** What one caller may take of a server. All times in milliseconds. */
export type ServerLimits = {
  /** From a connection's or request's begin to the end of its header. */
  readonly headerMs: number;
  /** From a request's begin to the end of its body. */
  readonly requestMs: number;
  /** How long a connection is kept between requests. */
  readonly keepAliveMs: number;
  /** How long a connection may stand still in the middle of a request or an answer. */
  readonly stallMs: number;
  /** How long `close` waits for running calls. */
  readonly closeMs: number;
  readonly connections: number;
  readonly connectionsPerAddress: number;
  readonly connectionsPerPeer: number;
  /** Requests of one principal (on the plain port: of one address) in each window; beyond it RATE_LIMITED. */
  readonly requestsPerWindow: number;
  /** The same for one address over TLS without a certificate, where that is let in at all. */
  readonly strangerRequestsPerWindow: number;
  /** The longest body of such a request, in bytes. */
  readonly strangerBytes: number;
  readonly windowMs: number;
};

/** Generous: they end abuse and never get in the way of work. */
export const SERVER_LIMITS: ServerLimits = {
  headerMs: 10_000,
  requestMs: 30_000,
  keepAliveMs: 65_000,
  stallMs: 300_000,
  closeMs: 10_000,
  connections: 16_384,
  connectionsPerAddress: 4_096,
  connectionsPerPeer: 1_024,
  requestsPerWindow: 100_000,
  strangerRequestsPerWindow: 200,
  strangerBytes: 65_536,
  windowMs: 10_000,
};

export type EndpointOptions = {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  /** With it this is HTTPS and every request needs a certificate; without, plain HTTP where nobody has one. */
  readonly tls?: {
    readonly options: ServerTlsOptions;
    /** Who sent the request, or a fault (`peerOf`). Called for every request, not once a connection. */
    readonly authenticate: (socket: TLSSocket) => Peer;
    /** Whether requests without a certificate get as far as `dispatch`, which refuses all but open methods. */
    readonly open: boolean;
  };
  readonly dispatch: Dispatch;
  readonly limits: ServerLimits;
  readonly log: ServerLog;
};

export type Endpoint = {
  readonly port: number;
  /** Shows and trusts something else on connections from now on. Those there are end after their next answer. */
  renew(tls: ServerTlsOptions): void;
  /** Takes no more connections, lets running calls finish for `closeMs`, then ends every connection. */
  close(): Promise<void>;
};

/** Where calls are posted. v0.5's clients, and Python's without a path, use the first. */
const PATHS = ["/RPC2", "/"];

/** Listens on one address and port for XML-RPC over HTTP. */
export async function openEndpoint(options: EndpointOptions): Promise<Endpoint> {
  const { limits } = options;
  const connections = new ConnectionCounts(limits.connectionsPerAddress);
  const running = new Set<Promise<unknown>>();
  const madeUnder = new WeakMap<object, ServerTlsOptions>(); // by connection: what it was shown
  let shown = options.tls?.options;
  let closing = false;

  const app = await listener(options);
  app.server.maxConnections = limits.connections;
  app.server.on("connection", (socket) => {
    if (!connections.hold(socket.remoteAddress ?? "", socket)) socket.destroy();
  });
  app.addHook("onSend", async (request, reply) => {
    const outdated = madeUnder.get(request.raw.socket) !== shown;
    if (closing || outdated) reply.header("connection", "close");
  });
  app.server.on("secureConnection", (socket: TLSSocket) => {
    if (shown) madeUnder.set(socket, shown);
  });
  answerErrors(app, options.log);
  answerCalls(app, options, await admission(app, options), running);
  await app.listen({ host: options.host, port: options.port });

  return {
    port: (app.server.address() as AddressInfo).port,
    renew(tls) {
      shown = tls;
      (app.server as unknown as TlsServer).setSecureContext(tls);
    },
    async close() {
      closing = true;
      const finished = app.close().then(() => Promise.allSettled(running));
      const patience = new AbortController();
      const late = setTimeout(limits.closeMs, undefined, { signal: patience.signal }).catch(() => undefined);
      await Promise.race([finished, late]);
      patience.abort();
      for (const socket of connections.sockets()) socket.destroy();
    },
  };
}

function answerCalls(
  app: FastifyInstance,
  options: EndpointOptions,
  onRequest: (request: FastifyRequest) => Promise<void>,
  running: Set<Promise<unknown>>,
): void {
  for (const path of PATHS) {
    app.post(path, { onRequest }, async (request, reply) => {
      const body = (request.body as Buffer | undefined) ?? Buffer.alloc(0);
      const requestId = requestIdFrom(request.headers[REQUEST_ID_HEADER]);
      reply.header(REQUEST_ID_HEADER, requestId);
      // Identified again: a body may take half a minute, and a revocation counts at once.
      const peer = identify(request, options);
      const arrival = { port: options.tls ? "tls" : "plain", from: request.ip } as const;
      const call = withRequestId(requestId, () => options.dispatch(body, peer, arrival));
      running.add(call);
      try {
        return reply.type(TEXT_XML).send(await call);
      } finally {
        running.delete(call);
      }
    });
  }
}

function answerErrors(app: FastifyInstance, log: ServerLog): void {
  app.setErrorHandler((error, _request, reply) => {
    // What is left of a body that is too large is read and dropped, so that its sender gets to read the answer.
    reply.removeHeader("connection");
    const answer = encodeFault(httpFault(error, log));
    return reply.code(200).type(TEXT_XML).send(answer);
  });
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).type("text/plain").send("Calls are posted to /RPC2, in XML-RPC.\n"),
  );
}

const TEXT_XML = "text/xml; charset=utf-8";

async function listener({ tls, limits }: EndpointOptions): Promise<FastifyInstance> {
  const http = { connectionsCheckingInterval: Math.min(1000, limits.headerMs / 2) };
  const app = fastify({
    ...(tls ? { https: { ...http, ...tls.options } } : { http }),
    bodyLimit: REQUEST_LIMITS.maxBytes,
    requestTimeout: limits.requestMs,
    connectionTimeout: limits.stallMs,
    keepAliveTimeout: limits.keepAliveMs,
    forceCloseConnections: "idle",
    return503OnClosing: false,
    exposeHeadRoutes: false,
  }) as unknown as FastifyInstance;
  app.server.headersTimeout = limits.headerMs;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  await app.register(rateLimit, { global: false });
  return app;
}

/** Everything that is decided before a request's body is read. */
async function admission(app: FastifyInstance, options: EndpointOptions) {
  const { limits } = options;
  const peers = new ConnectionCounts(limits.connectionsPerPeer);
  const principals = new WeakMap<FastifyRequest, string>();
  const rate = app.createRateLimit({
    max: limits.requestsPerWindow,
    timeWindow: limits.windowMs,
    keyGenerator: (request) => principals.get(request) ?? request.ip,
  });
  const strangers = app.createRateLimit({
    max: limits.strangerRequestsPerWindow,
    timeWindow: limits.windowMs,
    keyGenerator: (request) => request.ip,
  });
  return async (request: FastifyRequest): Promise<void> => {
    const peer = identify(request, options);
    if (peer) principals.set(request, peer.name);
    else if (options.tls) checkStranger(request, await strangers(request), limits);
    refuseUnless(
      !peer || peers.hold(peer.name, request.raw.socket),
      "RATE_LIMITED",
      `you have ${limits.connectionsPerPeer} connections open; close some`,
    );
    checkRate(await rate(request), limits.requestsPerWindow, limits);
    checkHeader(request.headers);
  };
}

type Rate = { readonly isAllowed: boolean; readonly isExceeded?: boolean };

function checkRate(rate: Rate, most: number, { windowMs }: ServerLimits): void {
  refuseUnless(
    rate.isAllowed || !rate.isExceeded,
    "RATE_LIMITED",
    `you sent more than ${most} requests in ${windowMs / 1000} s; wait as long and try again`,
  );
}

/** Who has no certificate says beforehand how little is coming. */
function checkStranger({ headers }: FastifyRequest, rate: Rate, limits: ServerLimits): void {
  checkRate(rate, limits.strangerRequestsPerWindow, limits);
  const length = Number(headers["content-length"] ?? Number.NaN);
  refuseUnless(
    length <= limits.strangerBytes,
    "TOO_LARGE",
    `without a certificate a request has a Content-Length of at most ${limits.strangerBytes} bytes`,
  );
}

function identify(request: FastifyRequest, { tls }: EndpointOptions): Peer | null {
  if (!tls) return null;
  try {
    return tls.authenticate(request.raw.socket as TLSSocket);
  } catch (error) {
    if (tls.open && error instanceof Fault && error.name === "NO_CERTIFICATE") return null;
    throw error;
  }
}

const CONTENT_TYPE = /^(text|application)\/xml\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;

function checkHeader(headers: FastifyRequest["headers"]): void {
  refuseUnless(
    headers["content-encoding"] === undefined || headers["content-encoding"] === "identity",
    "MALFORMED",
    "encoded bodies are not accepted; send the XML as it is",
  );
  refuseUnless(
    CONTENT_TYPE.test(headers["content-type"] ?? ""),
    "MALFORMED",
    "the Content-Type must be text/xml, in UTF-8",
  );
}

function httpFault(error: unknown, log: ServerLog): Fault {
  if (error instanceof errorCodes.FST_ERR_CTP_BODY_TOO_LARGE) {
    return new Fault(
      "TOO_LARGE",
      `the request is larger than ${REQUEST_LIMITS.maxBytes} bytes; send less at once`,
    );
  }
  const status = (error as { statusCode?: number }).statusCode;
  if (!(error instanceof Fault) && status !== undefined && status >= 400 && status < 500) {
    return new Fault("MALFORMED", "the HTTP request could not be read to its end", { cause: error });
  }
  return faultOf(error, log);
}
