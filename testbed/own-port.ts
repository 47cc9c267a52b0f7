import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer, type ListenOptions } from "node:net";

/** Below what Linux gives away by itself (net.ipv4.ip_local_port_range), above what services usually have. */
const ANY_PORT = [10_000, 30_000] as const;

/**
 * A port that is this process's own until it ends, however often its listeners come and go: the kernel gives it to
 * nobody who asks for any port, and no other process gets it here. `free` tells whether nobody listens on one now.
 */
export async function ownPort(free: (port: number) => Promise<boolean> = everywhere): Promise<number> {
  const port = randomInt(...ANY_PORT);
  return (await claimed(port)) && (await free(port)) ? port : ownPort(free);
}

/** The same, with one of this process's own for each that would be any port (0). */
export async function ownPorts<Ports extends object>(ports: Ports): Promise<Ports> {
  const own = { ...ports };
  for (const [use, port] of Object.entries(ports)) {
    if (port === 0) Object.assign(own, { [use]: await ownPort() });
  }
  return own;
}

/** Claims a port by a name that the kernel keeps for one process and forgets when that ends (unix(7), abstract). */
function claimed(port: number): Promise<boolean> {
  return listens({ path: `\0slicelab port ${port}` }, { andStays: true });
}

function everywhere(port: number): Promise<boolean> {
  return listens({ port, host: "0.0.0.0" }, { andStays: false });
}

async function listens(where: ListenOptions, { andStays }: { readonly andStays: boolean }): Promise<boolean> {
  const server = createServer((socket) => socket.destroy()).listen(where);
  try {
    await once(server, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw error;
  }
  if (andStays) server.unref();
  else {
    server.close();
    await once(server, "close");
  }
  return true;
}
