import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Log } from "#shared/runtime/log.ts";

export type DumpServerOptions = {
  readonly address: string;
  readonly port: number;
  /** The pieces of a dump of now. */
  readonly dump: () => Iterable<string>;
  readonly maxConnections: number;
  /** Whoever has not read the whole dump by then is left. */
  readonly withinMs: number;
  readonly log: Log;
};

export type DumpServer = AsyncDisposable & {
  readonly port: number;
  counts(): { readonly served: number; readonly abandoned: number };
};

/** Gives everybody who connects the dump, as gmond does, at the pace they read it; what they send is not read. */
export async function startDumpServer(options: DumpServerOptions): Promise<DumpServer> {
  const { address, port, dump, maxConnections, withinMs, log } = options;
  const open = new Set<Promise<void>>();
  const ending = new AbortController();
  let [served, abandoned] = [0, 0];

  async function serve(socket: Socket): Promise<void> {
    socket.resume();
    const signal = AbortSignal.any([ending.signal, AbortSignal.timeout(withinMs)]);
    try {
      await pipeline(Readable.from(dump()), socket, { signal });
      served += 1;
    } catch (err) {
      abandoned += 1;
      log.debug({ err }, "a dump was not read to its end");
    } finally {
      socket.destroy();
    }
  }

  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const done = serve(socket).finally(() => open.delete(done));
    open.add(done);
  });
  server.maxConnections = maxConnections;
  server.listen({ host: address, port });
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    counts: () => ({ served, abandoned }),
    async [Symbol.asyncDispose]() {
      server.close();
      ending.abort();
      await Promise.all(open);
    },
  };
}
