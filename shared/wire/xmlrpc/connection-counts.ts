import type { Socket } from "node:net";

/** How many open connections each address, or each principal, has. */
export class ConnectionCounts {
  readonly #most: number;
  readonly #held = new Map<string, Set<Socket>>();

  /** `most`: connections one key may hold at once. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Counts a connection for as long as it is open; once, however often it is asked. False: one too many. */
  hold(key: string, socket: Socket): boolean {
    const sockets = this.#held.get(key) ?? new Set();
    if (sockets.has(socket)) return true;
    if (sockets.size >= this.#most) return false;
    sockets.add(socket);
    this.#held.set(key, sockets);
    socket.once("close", () => {
      sockets.delete(socket);
      if (sockets.size === 0) this.#held.delete(key);
    });
    return true;
  }

  /** Every connection that is counted. */
  *sockets(): Iterable<Socket> {
    for (const sockets of this.#held.values()) yield* sockets;
  }
}
