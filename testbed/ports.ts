import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, createServer, isIPv6 } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { readIfPresent, writeDurably } from "#shared/runtime/durable-file.ts";
import { ownPort } from "./own-port.ts";

/** Ports of one service on one address. `plain` is there only where v0.5's clients may probe without TLS. */
export type ServicePorts = {
  readonly tls: number;
  readonly web: number;
  /** Pages for those with certificates. */
  readonly web_tls?: number;
  readonly plain?: number;
  readonly ssh?: number;
  readonly slicestat?: number;
};

/** Ports of one resource monitor: by UDP what is announced to it, by TCP its dump and its page. */
export type MonitorPorts = { readonly udp: number; readonly xml: number; readonly web: number };

export const AGENT_PORTS: ServicePorts = { plain: 7000, tls: 7001, web: 7002, web_tls: 7003 };
export const BROKER_PORTS: ServicePorts = { plain: 9000, tls: 9001, web: 9002, web_tls: 9003 };
export const NODE_PORTS: ServicePorts = {
  plain: 8000,
  tls: 8001,
  web: 8002,
  web_tls: 8003,
  ssh: 8022,
  slicestat: 3100,
};
export const MONITOR_PORTS: MonitorPorts = { udp: 8649, xml: 8649, web: 8648 };

const LET_GO_MILLISECONDS = 10_000;
const LOOK_AGAIN_MILLISECONDS = 50;

/** Who asks for ports: the file its ports are remembered in, and whether unusual ones are wanted. */
export type PortTerms = { readonly memory: string; readonly random: boolean };

/**
 * Ports on `ip` for a service. Those it had at an earlier start stay its own: leases and people's journals name them. At
 * first they are the `wanted` ones where those are free, and free ones for those that are taken, or for all when
 * `random`. Somebody else may still take one before its service does; the service then says so and ends.
 */
export async function choosePorts<Ports extends { readonly [Use in keyof Ports]?: number }>(
  ip: string,
  wanted: Ports,
  { memory, random }: PortTerms,
): Promise<Ports> {
  const earlier = await remembered(memory);
  const chosen = await Promise.all(
    Object.entries<number>(wanted as Record<string, number>).map(async ([use, port]) => {
      const own = earlier[use];
      const listened = use === "udp" ? boundByUdp : listenedByTcp;
      if (own !== undefined && (await becomesFree(() => listened(ip, own)))) return [use, own] as const;
      const chosen = random ? undefined : await listened(ip, port);
      return [
        use,
        chosen ?? (await ownPort(async (one) => (await listened(ip, one)) !== undefined)),
      ] as const;
    }),
  );
  const ports = Object.fromEntries(chosen);
  await writeDurably(memory, `${JSON.stringify({ ...earlier, ...ports })}\n`);
  return ports as Ports;
}

async function remembered(file: string): Promise<Record<string, number>> {
  const text = await readIfPresent(file);
  return text ? JSON.parse(text.toString("utf8")) : {};
}

/** A killed testbed's services take a moment to end. */
async function becomesFree(listened: () => Promise<number | undefined>): Promise<boolean> {
  const until = performance.now() + LET_GO_MILLISECONDS;
  while ((await listened()) === undefined) {
    if (performance.now() > until) return false;
    await pause(LOOK_AGAIN_MILLISECONDS);
  }
  return true;
}

/** The port if it could be listened on; undefined when somebody else does. */
async function listenedByTcp(ip: string, wanted: number): Promise<number | undefined> {
  const server = createServer();
  server.listen(wanted, ip);
  try {
    await once(server, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return undefined;
    throw error;
  }
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** The same of a UDP port. */
async function boundByUdp(ip: string, wanted: number): Promise<number | undefined> {
  const socket = createSocket(isIPv6(ip) ? "udp6" : "udp4");
  socket.bind(wanted, ip);
  try {
    await once(socket, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return undefined;
    throw error;
  }
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  return port;
}
