import { once } from "node:events";
import type { Duplex } from "node:stream";
import { finished } from "node:stream/promises";
import type { ServerChannel } from "ssh2";
import { taken } from "./channel.ts";
import type { Entry } from "./entry.ts";

/**
 * Joins an ssh channel and a connection until both directions have ended; either may end long before the other. When one
 * side breaks, or `gone` is aborted, so does the other. The connection must allow half of it to be closed.
 */
export async function joinSocket(
  channel: ServerChannel,
  socket: Duplex,
  { gone, pace, guard }: Pick<Entry, "gone" | "pace" | "guard">,
): Promise<void> {
  const over = new AbortController();
  const broken = AbortSignal.any([gone, over.signal]);
  const end = () => over.abort();
  channel.on("error", end).on("close", end);
  socket.on("error", end);
  guard(channel);
  const paced = pace();
  const toClient = once(paced, "end", { signal: broken }).then(async () => {
    await taken(channel, broken);
    channel.eof();
  });
  const fromClient = finished(socket, { readable: false, signal: broken, cleanup: true });
  socket.pipe(paced).pipe(channel, { end: false });
  channel.pipe(socket);
  try {
    await Promise.all([toClient, fromClient]);
  } catch (error) {
    if (!broken.aborted && !isEarlyEnd(error)) throw error;
  } finally {
    over.abort();
    await Promise.allSettled([toClient, fromClient]);
    paced.unpipe(channel);
    channel.unpipe(socket).resume();
    socket.destroy();
    channel.end();
  }
}

/** The other side went away without a word: that ends the connection like any other word would. */
function isEarlyEnd(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ERR_STREAM_PREMATURE_CLOSE";
}
