import type { Connection, ServerChannel, TcpipBindInfo } from "ssh2";
import { Fault } from "#shared/model/errors.ts";
import type { ListeningPort } from "../backends/backend.ts";
import type { Entry } from "./entry.ts";
import { joinSocket } from "./socket.ts";

/**
 * Connections through a sliver (RFC 4254 §7). What can't be had is refused, and the client says so: agents, X11 and UNIX
 * sockets are forwarded for nobody.
 */
export function serveForwarding(connection: Connection, entry: Entry): void {
  const failed = (error: Error) => entry.log("ssh forwarding failed", { reason: error.message });
  connection.on("tcpip", (accept, reject, { destIP, destPort }) => {
    connectThrough(entry, destIP, destPort, accept).catch((error: Error) => {
      reject(); // nothing, once it was accepted
      failed(error);
    });
  });
  const ports = new PortsInside(connection, entry);
  connection.on("request", (accept, reject, name, info) => {
    const { bindAddr, bindPort } = info as TcpipBindInfo;
    switch (name) {
      case "tcpip-forward":
        ports.listen(bindAddr, bindPort).then(accept, (error: Error) => {
          reject?.();
          failed(error);
        });
        return;
      case "cancel-tcpip-forward":
        return ports.close(bindPort) ? accept?.() : reject?.();
      default:
        reject?.();
    }
  });
}

/** `ssh -L`, `-D`, `-W`: reaches what the sliver reaches, never what the node does. */
async function connectThrough(
  entry: Entry,
  host: string,
  port: number,
  accept: () => ServerChannel,
): Promise<void> {
  const leave = enterForwarding(entry);
  try {
    const socket = await entry.connect(host, port);
    if (!socket) throw new Fault("BACKEND_FAILED", "the sliver's engine forwards no connections");
    if (entry.gone.aborted) socket.destroy();
    else await joinSocket(accept(), socket, entry);
  } finally {
    leave();
  }
}

/** `ssh -R`: programs in the sliver reach the client by ports of the sliver's own loopback, as with sshd. */
class PortsInside {
  readonly #connection: Connection;
  readonly #entry: Entry;
  readonly #ports = new Map<number, ListeningPort>();

  constructor(connection: Connection, entry: Entry) {
    this.#connection = connection;
    this.#entry = entry;
    entry.gone.addEventListener("abort", () => {
      for (const number of this.#ports.keys()) this.close(number);
    });
  }

  /** Gives the number of the port, which the node has chosen if it was 0. */
  async listen(address: string, number: number): Promise<number> {
    const leave = enterForwarding(this.#entry);
    try {
      const port = await this.#entry.listen(number);
      if (!port) throw new Fault("BACKEND_FAILED", "the sliver's engine forwards no ports");
      port.closed.then(() => {
        this.#ports.delete(port.port);
        leave();
      });
      port.onConnection((socket, from) => {
        // Whoever has root inside can begin any number of them, and each is a file of the node manager's.
        const leaveOne = this.#entry.enter("forwarding");
        if (!leaveOne) return void socket.destroy();
        socket.once("close", leaveOne);
        this.#connection.forwardOut(address, port.port, from.address, from.port, (error, channel) => {
          if (error) socket.destroy();
          // A client's channel of this kind is a server's in ssh2 as well: it was made by the same class.
          else joinSocket(channel as ServerChannel, socket, this.#entry).catch(() => socket.destroy());
        });
      });
      this.#ports.set(port.port, port);
      if (this.#entry.gone.aborted) port.close();
      return port.port;
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** Whether there was such a port. */
  close(number: number): boolean {
    const port = this.#ports.get(number);
    port?.close();
    return this.#ports.delete(number);
  }
}

function enterForwarding(entry: Entry): () => void {
  const refusal = entry.refusal();
  if (refusal) throw new Fault("NO_SLICE", refusal);
  const leave = entry.enter("forwarding");
  if (!leave)
    throw new Fault("QUOTA", `slice ${entry.slice} forwards as much here as it may; end some first`);
  return leave;
}
