import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import type { Duplex } from "node:stream";
import ssh2 from "ssh2";
import type { Command, ListeningPort, RunningCommand, SliverId } from "../backends/backend.ts";
import { Door } from "./door.ts";
import { parsedKey } from "./login.ts";

/** An SSH public key as a lease keeps it: its type and its blob in base64. */
export type SshKey = { readonly type: string; readonly blob: string };

/** What the gateway needs of the node manager: who may enter which sliver, and the engine of that sliver. */
export type SshGatewayOptions = {
  readonly host: string;
  /** 0 chooses a free port. */
  readonly port: number;
  /** The node's host key as `newSshKeyPair` writes private keys. Kept for ever: clients remember it. */
  readonly hostKey: string;
  /** Keys of a slice's live lease, now; none when there is no such lease. */
  keysOf(slice: string): readonly SshKey[];
  /** The sliver of a slice's live lease, now. */
  sliverOf(slice: string): { readonly id: SliverId } | undefined;
  exec(id: SliverId, command: Command): Promise<RunningCommand>;
  /** As in `Backend`; undefined when the sliver's engine can't. */
  connect?(id: SliverId, host: string, port: number): Promise<Duplex> | undefined;
  listen?(id: SliverId, port: number): Promise<ListeningPort> | undefined;
  readonly limits?: Partial<SshLimits>;
  /** One line for the operator about a login or a failure. */
  log(event: string, details: Readonly<Record<string, unknown>>): void;
};

/** How much there may be at a time. */
export type SshLimits = {
  readonly connections: number;
  /** Connections on which nobody has entered yet: altogether, and from one address. */
  readonly strangers: number;
  readonly strangersFromOneAddress: number;
  readonly connectionsOfOneSlice: number;
  readonly commandsOfOneSlice: number;
  readonly forwardingsOfOneSlice: number;
  /** How long somebody may take to enter, in milliseconds. */
  readonly loginMs: number;
  /** How long a client may be silent before it is asked for a sign of life, three times, in milliseconds. */
  readonly silenceMs: number;
};

const LIMITS: SshLimits = {
  connections: 4000,
  strangers: 1000,
  strangersFromOneAddress: 250,
  connectionsOfOneSlice: 200,
  commandsOfOneSlice: 250,
  forwardingsOfOneSlice: 500,
  loginMs: 30_000,
  silenceMs: 30_000,
};
const SIGNS_OF_LIFE = 3;

export type SshGateway = AsyncDisposable & {
  readonly port: number;
  /** The host key as OpenSSH writes it, without comment: goes into every lease. */
  readonly publicKey: string;
  /** Ends every connection into a slice: its lease is gone. */
  disconnect(slice: string): void;
  /** Ends the connections into a slice that were made with a key which is not the slice's any more. */
  expel(slice: string): void;
};

/**
 * The node's door for people (paper §4.2.3 did it with two accounts and a special shell): the user is the slice, the
 * keys are its lease's keys, and what is asked for runs inside the sliver. No account of the machine is involved.
 */
export async function startSshGateway(options: SshGatewayOptions): Promise<SshGateway> {
  const limits = { ...LIMITS, ...options.limits };
  const hostKey = parsedKey(options.hostKey);
  const door = new Door(options, limits);
  const ssh = new ssh2.Server({
    hostKeys: [options.hostKey],
    ident: "slicelab",
    keepaliveInterval: limits.silenceMs,
    keepaliveCountMax: SIGNS_OF_LIFE,
  });
  ssh.on("connection", (connection, { ip, port }) => door.welcome(connection, `${ip}:${port}`));
  // Small packets are answered at once: waiting to fill them costs 40 ms each time the two sides take turns.
  const server = createServer({ noDelay: true }, (socket) => {
    if (door.admit(socket)) ssh.injectSocket(socket);
    else socket.destroy();
  });
  server.maxConnections = limits.connections;
  server.listen(options.port, options.host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    publicKey: `${hostKey.type} ${hostKey.getPublicSSH().toString("base64")}`,
    disconnect: (slice) => door.disconnect(slice),
    expel: (slice) => door.expel(slice),
    async [Symbol.asyncDispose]() {
      door.close();
      server.close();
      await once(server, "close");
    },
  };
}
