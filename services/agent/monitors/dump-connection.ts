import { once } from "node:events";
import { connect } from "node:net";
import { setImmediate as turn } from "node:timers/promises";

/** Where a dump is given: a gmond's, a gmetad's or a resource monitor's TCP port. */
export type DumpAddress = { readonly host: string; readonly port: number };

/** Larger pieces would be read in one go, and nobody else served meanwhile. */
const PIECE_BYTES = 8 * 1024;

/**
 * What comes from a monitor, in small pieces, others being served between any two. Nothing is sent, and nothing more is
 * taken from the network than is asked for. Aborting ends it with the signal's reason; Node's errors come through.
 */
export async function* dumpChunks(
  { host, port }: DumpAddress,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void> {
  const socket = connect({ host, port });
  socket.on("error", () => undefined); // thrown where it is read, or to nobody who reads no more
  const abort = () => socket.destroy(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    signal.throwIfAborted();
    await once(socket, "connect");
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
        yield chunk.subarray(at, at + PIECE_BYTES);
        await turn();
      }
    }
  } finally {
    signal.removeEventListener("abort", abort);
    socket.destroy();
  }
}
