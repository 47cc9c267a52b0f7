import rateLimit from "@fastify/rate-limit";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { KeyName } from "../identity/key.ts";

/** What one client may ask of the pages at one port. */
export type VisitLimits = {
  /** In each window. A page is one, and one more to be live; many people may be behind one address. */
  readonly requests: number;
  readonly windowMs: number;
};

export const VISIT_LIMITS: VisitLimits = { requests: 300, windowMs: 10_000 };

/** What such requests are told by. */
export type Visitors = {
  /** The key a request was sent with, if its certificate counts. */
  readonly keyOf: (request: FastifyRequest) => KeyName | undefined;
  /** Paths that are always answered, since they cost next to nothing. */
  readonly free: ReadonlySet<string>;
};

/**
 * Answers a client that asks too much with 429, before anything is looked up for it. Whoever shows a certificate that
 * counts is a client by their key, wherever they are; everybody else is one by their address (of IPv6, by the network).
 */
export async function boundVisits(
  app: FastifyInstance,
  { requests, windowMs }: VisitLimits,
  { keyOf, free }: Visitors,
): Promise<void> {
  await app.register(rateLimit, { global: false });
  const terms = { max: requests, timeWindow: windowMs };
  const ofAddresses = app.createRateLimit(terms);
  const ofKeys = app.createRateLimit({ ...terms, keyGenerator: (request) => keyOf(request) ?? "" });
  app.addHook("onRequest", async (request, reply) => {
    if (free.has(request.url.split("?", 1)[0]!)) return;
    const key = keyOf(request);
    const rate = await (key === undefined ? ofAddresses : ofKeys)(request);
    if (rate.isAllowed || !rate.isExceeded) return;
    const [who, hint] =
      key === undefined
        ? [
            `your address ${request.ip}`,
            "Whoever shows a certificate, where the pages are over TLS, is counted alone.\n",
          ]
        : ["your key", ""];
    const seconds = Math.max(1, rate.ttlInSeconds);
    return reply
      .code(429)
      .header("retry-after", String(seconds))
      .type("text/plain")
      .send(
        `Too many requests: from ${who} came more than ${requests} in ${windowMs / 1000} s. Wait ${seconds} s, then load the page again.\n${hint}`,
      );
  });
}
