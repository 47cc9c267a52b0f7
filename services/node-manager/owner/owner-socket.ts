import { chmod, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { Log } from "#shared/runtime/log.ts";
import { REPLY_LIMITS, REQUEST_LIMITS } from "#shared/wire/xmlrpc/value.ts";

/** Turns the bytes of a call into those of its answer. Never fails. */
export type Answers = (call: Buffer) => Promise<Buffer>;

/** The kernel takes paths of sockets up to this length (unix(7), sun_path). */
const LONGEST_PATH = 107;
/** A question is one small message of a program on this machine. */
const PATIENCE_MILLISECONDS = 10_000;

function ownerSocketPath(state: string): string {
  return join(state, "owner.sock");
}

/**
 * Answers calls on a socket in the node's state directory, which only the machine's root (or whoever runs the node manager)
 * can open. A connection is one call: the message up to its end, then the answer. Undefined where the path is too long.
 */
export async function listenToOwner(
  state: string,
  answers: Answers,
  log: Log,
): Promise<AsyncDisposable | undefined> {
  const path = ownerSocketPath(state);
  if (Buffer.byteLength(path) > LONGEST_PATH) {
    log.warn(
      { path },
      "the state directory's path is too long for a socket: slicelab node can't be used here",
    );
    return undefined;
  }
  await rm(path, { force: true }); // of a node manager that was killed: the store's lock says that there is no other
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.setTimeout(PATIENCE_MILLISECONDS, () => socket.destroy());
    answer(socket, answers).catch((err) => {
      socket.destroy();
      log.debug({ err }, "a call of the owner's was broken off");
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  await chmod(path, 0o600);
  return {
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function answer(socket: Socket, answers: Answers): Promise<void> {
  const call = await readWhole(socket, REQUEST_LIMITS.maxBytes);
  socket.setTimeout(0); // from here on it waits for the engine, which has deadlines of its own
  socket.end(await answers(call));
}

/**
 * Sends one call and gives the answer's bytes. Rejects with ENOENT or ECONNREFUSED where no node manager runs, and EACCES
 * for whoever is not root.
 */
export async function askNode(state: string, call: Buffer): Promise<Buffer> {
  const socket = connect({ path: ownerSocketPath(state), allowHalfOpen: true });
  socket.end(call);
  return await readWhole(socket, REPLY_LIMITS.maxBytes);
}

/** Up to the other side's end; its own way to that side stays open. */
function readWhole(socket: Socket, most: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let length = 0;
  socket.on("data", (chunk: Buffer) => {
    length += chunk.length;
    chunks.push(chunk);
    if (length > most) reject(new Error(`a message of more than ${most} bytes`));
  });
  socket.once("end", () => resolve(Buffer.concat(chunks, length)));
  socket.once("error", reject);
  socket.once("close", () => reject(new Error("the connection was closed in the middle of a message")));
  return promise;
}
