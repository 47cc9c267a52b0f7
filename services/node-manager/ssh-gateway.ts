import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import ssh2, {
  type AuthContext,
  type Connection,
  type ParsedKey,
  type PublicKeyAuthContext,
  type ServerChannel,
  type Session,
} from "ssh2";
import { Fault } from "#shared/model/errors.ts";
import type { Command, RunningCommand, SliverId } from "./backends/backend.ts";
import { runOnChannel } from "./ssh-channel.ts";

/** An SSH public key as a lease keeps it: its type and its blob in base64. */
export type SshKey = { readonly type: string; readonly blob: string };

/** What the gateway needs of the node manager: who may enter which sliver, and the engine that runs commands. */
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
  /** One line for the operator about a login or a failure. */
  log(event: string, details: Readonly<Record<string, unknown>>): void;
};

export type SshGateway = AsyncDisposable & {
  readonly port: number;
  /** The host key as OpenSSH writes it, without comment: goes into every lease. */
  readonly publicKey: string;
  /** Ends every connection into a slice: its lease is gone. */
  disconnect(slice: string): void;
};

const LOGIN_SECONDS = 30;
const MAX_ATTEMPTS = 12;
const MAX_CONNECTIONS = 1000;

/**
 * The node's door for people (paper §4.2.3 did it with two accounts and a special shell): the user is the slice, the
 * keys are its lease's keys, and what is asked for runs inside the sliver. No account of the machine is involved.
 */
export async function startSshGateway(options: SshGatewayOptions): Promise<SshGateway> {
  const hostKey = parsedKey(options.hostKey);
  const guests = new Map<string, Guest>();
  const ssh = new ssh2.Server({ hostKeys: [options.hostKey], ident: "slicelab", keepaliveInterval: 30_000 });
  ssh.on("connection", (connection, info) => {
    const guest = guests.get(`${info.ip}:${info.port}`)!;
    // A client that breaks the protocol is its own problem: its connection ends, nothing else.
    connection.on("error", (error) => {
      options.log("ssh connection failed", { reason: error.message });
      guest.socket.destroy();
    });
    welcome(connection, guest, options);
  });
  const server = createServer((socket) => {
    const address = `${socket.remoteAddress}:${socket.remotePort}`;
    guests.set(address, { socket });
    socket.on("close", () => guests.delete(address));
    ssh.injectSocket(socket);
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.listen(options.port, options.host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    publicKey: `${hostKey.type} ${hostKey.getPublicSSH().toString("base64")}`,
    disconnect(slice) {
      for (const guest of guests.values()) if (guest.slice === slice) guest.socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      for (const guest of guests.values()) guest.socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** One connection; it has a slice from the moment somebody has proved to be in it. */
type Guest = { readonly socket: Socket; slice?: string };

function parsedKey(text: string): ParsedKey {
  const parsed = ssh2.utils.parseKey(text);
  if (parsed instanceof Error) throw new Fault("MALFORMED", "this is not an SSH key", { cause: parsed });
  return Array.isArray(parsed) ? parsed[0]! : parsed;
}

function welcome(connection: Connection, guest: Guest, options: SshGatewayOptions): void {
  const impatience = setTimeout(() => guest.socket.destroy(), LOGIN_SECONDS * 1000);
  guest.socket.on("close", () => clearTimeout(impatience));
  let attempts = 0;
  let user = "";
  connection.on("authentication", (context) => {
    attempts += 1;
    if (attempts > MAX_ATTEMPTS) return void guest.socket.destroy();
    if (!mayEnter(context, options)) return void context.reject(["publickey"]);
    user = context.username;
    context.accept();
  });
  connection.on("ready", () => {
    clearTimeout(impatience);
    guest.slice = user;
    options.log("ssh login", { slice: user });
    connection.on("session", (accept) => serveSession(accept(), user, options));
  });
}

/** A key enters if the slice's live lease lists it and, once a signature is offered, the signature is its own. */
function mayEnter(context: AuthContext, options: SshGatewayOptions): boolean {
  if (context.method !== "publickey") return false;
  const { key, username } = context as PublicKeyAuthContext;
  const blob = key.data.toString("base64");
  const listed = options.keysOf(username).find((k) => k.blob === blob);
  return listed !== undefined && provesPossession(context as PublicKeyAuthContext);
}

function provesPossession(context: PublicKeyAuthContext): boolean {
  // Without a signature the client only asks whether the key would do; it then comes back with one.
  if (!context.signature || !context.blob) return context.signature === undefined;
  const key = parsedKey(`${context.key.algo} ${context.key.data.toString("base64")}`);
  return key.verify(context.blob, context.signature, context.hashAlgo) === true;
}

/** Environment variables a client may set: the language, nothing that changes what runs. */
const ENVIRONMENT = /^(LANG|LC_[A-Z]+|TZ|COLORTERM)$/;

function serveSession(session: Session, slice: string, options: SshGatewayOptions): void {
  const env: Record<string, string> = {};
  session.on("env", (accept, _reject, info) => {
    if (ENVIRONMENT.test(info.key)) env[info.key] = info.val;
    accept?.();
  });
  session.on("pty", (_accept, reject) => reject?.());
  session.on("exec", (accept, _reject, info) => start(accept(), ["/bin/sh", "-c", info.command]));
  session.on("shell", (accept) => start(accept(), ["/bin/sh", "-l"]));
  function start(channel: ServerChannel, argv: string[]): void {
    const sliver = options.sliverOf(slice);
    runOnChannel(channel, () => {
      if (!sliver) throw new Fault("NO_SLICE", `slice ${slice} has no sliver on this node any more`);
      return options.exec(sliver.id, { argv, env });
    }).catch((error: Error) => options.log("ssh command failed", { slice, reason: error.message }));
  }
}
