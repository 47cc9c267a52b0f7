import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { createServer, isIP, Socket } from "node:net";

/*
 * The program of an outpost: started in a sliver's network (and in nothing else of the sliver), it opens connections and
 * ports there and hands them to the node manager, which alone speaks over them. It is on its own: it knows nothing of
 * Slicelab, and nothing in the sliver can reach it. It ends when the node manager does, or has no more use for it.
 */

/** What an outpost is asked. `servers`: whom to ask for names; `names`: addresses that are known already. */
export type OutpostRequest = { readonly request: number } & (
  | {
      readonly verb: "connect";
      readonly host: string;
      readonly port: number;
      readonly servers: readonly string[];
      readonly names: Readonly<Record<string, readonly string[]>>;
    }
  | { readonly verb: "listen"; readonly port: number }
);

/** With `ok`, a connected socket or a listening server comes along. `code`: an error's, such as ECONNREFUSED. */
export type OutpostReply = {
  readonly request: number;
  readonly ok: boolean;
  readonly port?: number;
  readonly code?: string;
};

const NOBODY = 65534;
const CONNECT_MILLISECONDS = 15_000;
const RESOLVE = { timeout: 3000, tries: 2 };

/** As an ordinary user of the machine: a port below 1024 is not given to it, as it is not to the login user. */
function becomeNobody(): void {
  process.setgroups?.([]);
  process.setgid?.(NOBODY);
  process.setuid?.(NOBODY);
}

async function answer(request: OutpostRequest): Promise<void> {
  const { request: number, verb } = request;
  try {
    if (verb === "connect") reply({ request: number, ok: true }, await connect(request));
    else {
      const server = createServer();
      server.listen(request.port, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as { port: number };
      process.send?.({ request: number, ok: true, port } satisfies OutpostReply, server, () =>
        server.close(),
      );
    }
  } catch (error) {
    reply({ request: number, ok: false, code: (error as NodeJS.ErrnoException).code ?? "EFAULT" });
  }
}

function reply(message: OutpostReply, socket?: Socket): void {
  process.send?.(message, socket, () => socket?.destroy());
}

type Connection = Extract<OutpostRequest, { verb: "connect" }>;

async function connect({ host, port, servers, names }: Connection): Promise<Socket> {
  const known = isIP(host) ? [host] : Object.hasOwn(names, host) ? names[host] : undefined;
  const addresses = known ?? (await resolve(host, servers));
  const failures: unknown[] = [];
  for (const address of addresses) {
    try {
      return await connectTo(address, port);
    } catch (error) {
      failures.push(error);
    }
  }
  throw failures[0] ?? Object.assign(new Error("the name has no address"), { code: "ENOTFOUND" });
}

async function resolve(host: string, servers: readonly string[]): Promise<readonly string[]> {
  const resolver = new Resolver(RESOLVE);
  resolver.setServers(servers);
  return await resolver.resolve4(host);
}

async function connectTo(host: string, port: number): Promise<Socket> {
  const socket = new Socket({ allowHalfOpen: true });
  socket.pause(); // nothing may be read here: it is for whoever gets the socket
  socket.connect({ host, port });
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(CONNECT_MILLISECONDS) });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error instanceof Error && error.name === "AbortError"
      ? Object.assign(error, { code: "ETIMEDOUT" })
      : error;
  }
}

becomeNobody();
process.on("message", (request) => void answer(request as OutpostRequest));
