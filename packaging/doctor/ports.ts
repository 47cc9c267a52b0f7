import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import type { Report } from "./finding.ts";

/** A port that a service listens on. Port 0 means any, and is not looked at. */
export type ServedPort = {
  readonly name: string;
  readonly address: string;
  readonly port: number | undefined;
  readonly protocol?: "udp";
};

/**
 * Whether each port could be listened on now. One that is taken is well where the service itself is running, which is
 * asked (once) only then.
 */
export async function checkPorts(
  report: Report,
  ports: readonly ServedPort[],
  isRunning: () => Promise<boolean>,
): Promise<void> {
  let running: boolean | undefined;
  for (const { name, address, port, protocol } of ports) {
    if (!port) continue;
    const where = `${address}, ${protocol ?? "tcp"} ${port} (${name})`;
    const code = await (protocol ? tryDatagrams(address, port) : tryListening(address, port));
    if (code === "EADDRINUSE") running ??= await isRunning();
    if (code === undefined) report.well("port", `${where} is free`);
    else if (code === "EADDRINUSE" && running) report.well("port", `${where} is served`);
    else report.trouble("port", `${where} cannot be listened on (${code})`, mending(code, address, port));
  }
}

function mending(code: string, address: string, port: number): string {
  switch (code) {
    case "EADDRINUSE":
      return `another program has it: ss -lnp 'sport = :${port}' says which; end it, or choose another port`;
    case "EADDRNOTAVAIL":
      return `this machine has no address ${address}: ip address shows those it has; configure one of them`;
    case "EACCES":
      return "ports below 1024 are root's: choose another";
    default:
      return "choose another address or port";
  }
}

async function tryListening(host: string, port: number): Promise<string | undefined> {
  const server = createServer();
  try {
    server.listen({ host, port, exclusive: true });
    await once(server, "listening");
    return undefined;
  } catch (error) {
    return codeOf(error);
  } finally {
    server.close();
  }
}

async function tryDatagrams(address: string, port: number): Promise<string | undefined> {
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  try {
    socket.bind({ address, port, exclusive: true });
    await once(socket, "listening");
    return undefined;
  } catch (error) {
    return codeOf(error);
  } finally {
    socket.close();
  }
}

function codeOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined) throw error;
  return code;
}
