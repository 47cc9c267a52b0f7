import type { Socket } from "node:net";
import type { Connection } from "ssh2";
import { type Entry, Places } from "./entry.ts";
import { serveForwarding } from "./forwarding.ts";
import type { SshGatewayOptions, SshKey, SshLimits } from "./gateway.ts";
import { keyOfEntrant } from "./login.ts";
import { guardWindow, paced } from "./pacing.ts";
import { serveSession } from "./session.ts";

const MAX_ATTEMPTS = 12;
/** Sessions of one connection, whether anything runs in them or not. */
const MAX_SESSIONS = 300;
/** How long a connection that was told to end may take to hear it. */
const PARTING_MILLISECONDS = 1_000;

/** One connection; it has a slice and a key from the moment somebody has proved to have that key. */
type Guest = {
  readonly socket: Socket;
  readonly address: string;
  readonly gone: AbortController;
  connection?: Connection;
  entered?: { readonly slice: string; readonly key: SshKey };
};

/** Where people come in: knows everybody who is there, by address and port, and lets in no more than there is room for. */
export class Door {
  readonly #options: SshGatewayOptions;
  readonly #limits: SshLimits;
  readonly #guests = new Map<string, Guest>();
  readonly #connections: Places;
  readonly #commands: Places;
  readonly #forwardings: Places;

  constructor(options: SshGatewayOptions, limits: SshLimits) {
    this.#options = options;
    this.#limits = limits;
    this.#connections = new Places(limits.connectionsOfOneSlice);
    this.#commands = new Places(limits.commandsOfOneSlice);
    this.#forwardings = new Places(limits.forwardingsOfOneSlice);
  }

  /** Whether a connection may come in at all: many that say nothing must not keep others out. */
  admit(socket: Socket): boolean {
    const address = socket.remoteAddress ?? "";
    const strangers = [...this.#guests.values()].filter(({ entered }) => !entered);
    const fromThere = strangers.filter((guest) => guest.address === address).length;
    const { strangers: most, strangersFromOneAddress, loginMs } = this.#limits;
    if (strangers.length >= most || fromThere >= strangersFromOneAddress) return false;
    const name = `${address}:${socket.remotePort}`;
    const guest: Guest = { socket, address, gone: new AbortController() };
    const impatience = setTimeout(() => {
      if (!guest.entered) socket.destroy();
    }, loginMs);
    this.#guests.set(name, guest);
    socket.setMaxListeners(0); // each channel may wait for it to take more
    socket.on("close", () => {
      clearTimeout(impatience);
      this.#guests.delete(name);
      guest.gone.abort();
    });
    return true;
  }

  welcome(connection: Connection, name: string): void {
    const guest = this.#guests.get(name);
    if (!guest) return void connection.end();
    guest.connection = connection;
    // A client that breaks the protocol is its own problem: its connection ends, nothing else.
    connection.on("error", (error) => {
      this.#options.log("ssh connection failed", { reason: error.message });
      guest.socket.destroy();
    });
    let attempts = 0;
    let entrant: Guest["entered"];
    connection.on("authentication", (context) => {
      attempts += 1;
      if (attempts > MAX_ATTEMPTS) return void guest.socket.destroy();
      const key = keyOfEntrant(context, this.#options.keysOf);
      if (!key) return void context.reject(["publickey"]);
      entrant = { slice: context.username, key };
      context.accept();
    });
    connection.on("ready", () => {
      guest.entered = entrant;
      this.#options.log("ssh login", { slice: entrant!.slice });
      const entry = this.#entryOf(guest, entrant!);
      let sessions = 0;
      connection.on("session", (accept, reject) => {
        if (sessions === MAX_SESSIONS) return reject();
        sessions += 1;
        const session = accept();
        session.once("close", () => {
          sessions -= 1;
        });
        serveSession(session, entry);
      });
      serveForwarding(connection, entry);
    });
  }

  #entryOf(guest: Guest, { slice, key }: NonNullable<Guest["entered"]>): Entry {
    const { options, socket } = { options: this.#options, socket: guest.socket };
    const leave = this.#connections.take(slice);
    guest.gone.signal.addEventListener("abort", () => leave?.());
    const sliver = () => options.sliverOf(slice)!.id;
    const { remoteAddress, remotePort, localAddress, localPort } = socket;
    return {
      slice,
      env: {
        SSH_CLIENT: `${remoteAddress} ${remotePort} ${localPort}`,
        SSH_CONNECTION: `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`,
      },
      gone: guest.gone.signal,
      refusal: () => {
        if (!leave)
          return `slice ${slice} has as many ssh connections to this node as it may; end some first`;
        if (!options.sliverOf(slice)) return `slice ${slice} has no sliver on this node any more`;
        return this.#isListed(slice, key)
          ? undefined
          : `the key you entered with is not slice ${slice}'s any more`;
      },
      pace: () => paced(socket),
      guard: (channel) =>
        guardWindow(channel, () => {
          options.log("ssh client sends more than it may", { slice });
          socket.destroy();
        }),
      enter: (what) => (what === "command" ? this.#commands : this.#forwardings).take(slice),
      exec: (command) => options.exec(sliver(), command),
      connect: async (host, port) => options.connect?.(sliver(), host, port),
      listen: async (port) => options.listen?.(sliver(), port),
      log: (event, details) => options.log(event, { slice, ...details }),
    };
  }

  #isListed(slice: string, key: SshKey): boolean {
    return this.#options.keysOf(slice).some(({ type, blob }) => type === key.type && blob === key.blob);
  }

  disconnect(slice: string): void {
    this.#part((entered) => entered.slice === slice);
  }

  expel(slice: string): void {
    this.#part((entered) => entered.slice === slice && !this.#isListed(slice, entered.key));
  }

  #part(from: (entered: NonNullable<Guest["entered"]>) => boolean): void {
    for (const { entered, connection, socket } of this.#guests.values()) {
      if (!(entered && from(entered))) continue;
      connection?.end();
      setTimeout(() => socket.destroy(), PARTING_MILLISECONDS).unref();
    }
  }

  close(): void {
    for (const { socket } of this.#guests.values()) socket.destroy();
  }
}
