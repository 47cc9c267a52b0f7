import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A way to a service on which answers can be held back: what is asked arrives all the same. */
export type HeldLink = AsyncDisposable & {
  /** The service's URL by way of the link. */
  readonly url: string;
  hold(): void;
  /** Everything that was held back arrives, where somebody still waits for it. */
  release(): void;
  /** Ends every connection; what was held back is lost. */
  cut(): void;
};

export async function heldLink(to: string): Promise<HeldLink> {
  const target = new URL(to);
  const ways = new Set<{ readonly near: Socket; readonly far: Socket }>();
  let held = false;
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    const way = { near, far };
    ways.add(way);
    near.pipe(far);
    far.pipe(near);
    if (held) far.unpipe(near);
    const end = () => {
      ways.delete(way);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) socket.on("close", end).on("error", end);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = new URL(to);
  url.port = String((server.address() as AddressInfo).port);
  function cut(): void {
    for (const { near, far } of ways) {
      near.destroy();
      far.destroy();
    }
  }
  return {
    url: url.href,
    hold() {
      held = true;
      for (const { near, far } of ways) far.unpipe(near).pause();
    },
    release() {
      held = false;
      for (const { near, far } of ways) far.pipe(near);
    },
    cut,
    async [Symbol.asyncDispose]() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}
