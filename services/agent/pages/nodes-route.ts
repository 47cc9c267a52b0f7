import { addAbortSignal, pipeline, Readable } from "node:stream";
import { createGzip } from "node:zlib";
import type { FastifyInstance, FastifyReply } from "fastify";
import type { Instant } from "#shared/model/time.ts";
import type { Log } from "#shared/runtime/log.ts";

/** The document of all nodes, of one moment, in pieces that are made when they are asked for. */
export type NodesFeed = { readonly now: Instant; readonly pieces: AsyncIterator<string, void> };

/** How long one document will do: whoever asks again sooner with its date gets 304. */
export const FRESH_SECONDS = 15;

/** Documents being read at once: each keeps the database busy, whoever asks for it. */
export const MAX_READERS = 4;

/** For a document, to the slowest reader. */
const READING_MS = 60_000;

/** Serves `/nodes.xml`. Nothing is made faster than its reader takes it. */
export function addNodesRoute(app: FastifyInstance, feed: () => NodesFeed, log: Log): void {
  let readers = 0;
  app.get("/nodes.xml", async (request, reply) => {
    const { now, pieces } = feed();
    if (isFresh(request.headers["if-modified-since"], now)) return cacheable(reply).code(304).send();
    if (readers >= MAX_READERS) return busy(reply);
    readers += 1;
    const first = await pieces.next().catch((error) => {
      readers -= 1;
      throw error;
    });
    const body = Readable.from(startingWith(first, pieces), { highWaterMark: 1 });
    addAbortSignal(AbortSignal.timeout(READING_MS), body);
    body.once("error", (err) => log.warn({ err }, "a document of nodes ended early"));
    body.once("close", () => {
      readers -= 1;
    });
    cacheable(reply)
      .header("last-modified", new Date(now * 1000).toUTCString())
      .type("application/xml; charset=utf-8");
    if (!takesGzip(request.headers["accept-encoding"])) return reply.send(body);
    // Either end takes the other with it; what went wrong is told where the body is.
    const zipped = pipeline(body, createGzip({ level: 1 }), () => undefined);
    return reply.header("content-encoding", "gzip").send(zipped);
  });
}

function cacheable(reply: FastifyReply): FastifyReply {
  return reply.headers({
    "cache-control": `public, max-age=${FRESH_SECONDS}`,
    vary: "accept-encoding",
  });
}

function busy(reply: FastifyReply): FastifyReply {
  reply.code(503).header("retry-after", "5").type("text/plain");
  return reply.send("Too many are reading this document just now; ask again in a few seconds.\n");
}

async function* startingWith(
  first: IteratorResult<string, void>,
  rest: AsyncIterator<string, void>,
): AsyncGenerator<string, void> {
  for (let piece = first; !piece.done; piece = await rest.next()) yield piece.value;
}

/** Whether the document of that date will still do. A date that is none, or lies ahead, is of no document. */
function isFresh(since: string | undefined, now: Instant): boolean {
  const age = since === undefined ? Number.NaN : now - Date.parse(since) / 1000;
  return age >= 0 && age < FRESH_SECONDS;
}

function takesGzip(accepted = ""): boolean {
  return accepted.split(",").some((coding) => /^\s*gzip\s*(;(?!\s*q=0(\.0*)?\s*$)|$)/.test(coding));
}
