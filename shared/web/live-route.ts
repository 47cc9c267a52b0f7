import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Log } from "../runtime/log.ts";
import {
  EVERY_MILLISECONDS,
  LivePages,
  type LiveTerms,
  type Place,
  type Sections,
  WATCHERS,
  WATCHERS_OF_CLIENT,
} from "./live.ts";

export type LiveRoute = {
  /** Reads the page of this address as whoever sent the request sees it now. Undefined where there is none. */
  readonly page: (of: URL, request: FastifyRequest) => Promise<(() => Sections) | undefined>;
  /** Names whoever asks, where pages are not the same for everybody. */
  readonly viewer?: (request: FastifyRequest) => string;
  /** Whose place whoever asks takes. */
  readonly client: (request: FastifyRequest) => Promise<Place>;
  readonly terms?: Partial<LiveTerms>;
  readonly log: Log;
};

const TERMS = { everyMs: EVERY_MILLISECONDS, watchers: WATCHERS, watchersOfClient: WATCHERS_OF_CLIENT };

/** For a page's address. */
const LONGEST = 4096;

/** A browser that lost us asks again after this long. */
const RETRY_MILLISECONDS = 5_000;

const FULL = {
  "client full": "You look on at as many pages as one may; close some. The page itself is there as ever.\n",
  "all full": "Too many are looking on just now; the page itself is there as ever.\n",
} as const;

/** Serves `/events?page=ADDRESS`: what changes on that page, until the service ends or nobody looks any more. */
export function addLiveRoute(app: FastifyInstance, { page, viewer, client, terms, log }: LiveRoute): void {
  const live = new LivePages({ ...TERMS, ...terms, log });
  app.addHook("preClose", (done) => {
    live[Symbol.dispose]();
    done();
  });
  app.get("/events", async (request, reply) => {
    const asked = pageAsked(request);
    if (!asked) {
      return reply.code(400).type("text/plain").send("Say of which page: /events?page=/nodes\n");
    }
    const place = await client(request);
    if (reply.raw.destroyed) return reply.hijack(); // whoever asked has gone meanwhile, and is to take no place
    const room = live.roomFor(place);
    if (room !== "room") {
      reply
        .code(room === "all full" ? 503 : 429)
        .header("retry-after", "60")
        .type("text/plain");
      return reply.send(FULL[room]);
    }
    reply.hijack();
    const { raw: response } = reply;
    response.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      "content-type": "text/event-stream; charset=utf-8",
      "x-accel-buffering": "no",
    });
    response.write(`retry: ${RETRY_MILLISECONDS}\n\n`);
    const key = `${viewer?.(request) ?? ""} ${asked.pathname}${asked.search}`;
    live.add({ ...place, response, key, page: () => page(asked, request) });
    return reply;
  });
}

/** A page of ours, whatever is asked for. */
function pageAsked(request: FastifyRequest): URL | undefined {
  const asked = new URL(request.url, "http://here").searchParams.get("page");
  if (!asked?.startsWith("/") || asked.length > LONGEST) return undefined;
  const url = URL.parse(asked, "http://here");
  return url?.host === "here" ? url : undefined;
}
