import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

/** Ports of one service on one address. `plain` is there only where v0.5's clients may probe without TLS. */
export type ServicePorts = {
  readonly tls: number;
  readonly web: number;
  readonly plain?: number;
  readonly ssh?: number;
};

export const AGENT_PORTS: ServicePorts = { plain: 7000, tls: 7001, web: 7002 };
export const NODE_PORTS: ServicePorts = { plain: 8000, tls: 8001, web: 8002, ssh: 8022 };

/**
 * The wanted ports where they are free on `ip`, and free ones for those that are taken, or for all when `random`.
 * Somebody else may still take one before its service does; the service then says so and ends.
 */
export async function choosePorts(ip: string, wanted: ServicePorts, random: boolean): Promise<ServicePorts> {
  const chosen = await Promise.all(
    Object.entries(wanted).map(async ([use, port]) => [use, await freePort(ip, random ? 0 : port)] as const),
  );
  return Object.fromEntries(chosen) as ServicePorts;
}

async function freePort(ip: string, wanted: number): Promise<number> {
  const server = createServer();
  server.listen(wanted, ip);
  try {
    await once(server, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || wanted === 0) throw error;
    return freePort(ip, 0);
  }
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
