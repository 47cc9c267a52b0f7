import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { Fault } from "#shared/model/errors.ts";
import { byDeadline } from "../../deadline.ts";
import { waitUntil } from "../machine/process.ts";
import { broken, FRAME, type Frame, FrameReader, frame, preamble, word } from "./frames.ts";

/** How long a link that nobody uses stays: another node manager of the same node may want it. */
const IDLE_MILLISECONDS = 1_000;
const ANSWER_MILLISECONDS = 15_000;
/** How long an agent that has answered may owe what it was asked for: from then on it is taken for somebody else's. */
const OWED_MILLISECONDS = 30_000;
/** Channels that the agent opens have numbers from here on. */
const ARRIVALS = 0x8000_0000;

/** What uses a channel. */
export type ChannelUser = {
  take(frame: Frame): void;
  /** The link is lost: nothing will come any more. */
  lose(): void;
};

/**
 * The way to the agent in one microvm: one serial port, which one node manager at a time can have, and which everything
 * that is done in the sliver shares. It opens with the first use and closes soon after the last.
 */
export class AgentLink {
  readonly #directory: string;
  readonly #name: string;
  readonly #users = new Map<number, ChannelUser>();
  readonly #patience: number;
  #counting: PromiseWithResolvers<number> | undefined;
  #opening: Promise<Socket> | undefined;
  #socket: Socket | undefined;
  #channels = 0;
  #busy = 0;
  #idle: NodeJS.Timeout | undefined;

  /** `directory` holds the socket `name`. The directory's path may be longer than a socket's may. */
  constructor(directory: string, name: string, patience = OWED_MILLISECONDS) {
    this.#directory = directory;
    this.#name = name;
    this.#patience = patience;
  }

  /** Waits until the agent answers. Throws BACKEND_FAILED when it does not within `patience` or `given` is aborted. */
  async greet(patience: number, given?: AbortSignal): Promise<void> {
    await this.#while(() => this.#opened(patience, given));
  }

  /** A channel of its own for `user`, from its opening until `leave`. */
  async join(user: ChannelUser, patience = ANSWER_MILLISECONDS): Promise<number> {
    await this.greet(patience);
    this.#channels = (this.#channels + 1) % ARRIVALS;
    const number = this.#channels;
    this.#use(number, user);
    return number;
  }

  /** A channel that the agent has opened. Throws BACKEND_FAILED for a number that is not its to give. */
  adopt(number: number, user: ChannelUser): void {
    if (number < ARRIVALS || this.#users.has(number)) throw broken();
    this.#use(number, user);
  }

  #use(number: number, user: ChannelUser): void {
    this.#users.set(number, user);
    this.#stay();
  }

  /** What the agent owes for something it was asked; whoever has root in the sliver may keep it from ever answering. */
  async owed<T>(answer: Promise<T>): Promise<T> {
    const late = () => new Fault("BACKEND_FAILED", "the sliver's agent does not answer; try again");
    return await byDeadline(answer, { withinMs: this.#patience, late });
  }

  leave(number: number): void {
    if (this.#users.delete(number)) this.#restLater();
  }

  send(type: number, channel: number, payload?: Uint8Array, sent?: () => void): void {
    if (this.#socket) this.#socket.write(frame(type, channel, payload), () => sent?.());
    else sent?.(); // it is lost, and whoever has a channel was told
  }

  /** How many processes there are inside. */
  async countProcesses(): Promise<number> {
    return await this.#while(async () => {
      await this.#opened(ANSWER_MILLISECONDS);
      const asked = this.#counting;
      this.#counting ??= Promise.withResolvers<number>();
      if (!asked) this.send(FRAME.count, 0);
      return await this.owed(this.#counting.promise);
    });
  }

  /** Tells the agent to end everything inside in order. */
  async powerOff(patience: number): Promise<void> {
    await this.#while(async () => {
      await this.#opened(patience);
      this.send(FRAME.powerOff, 0);
    });
  }

  /** Everything that uses the link loses it. */
  close(): void {
    this.#socket?.destroy();
    this.#lost();
  }

  async #while<T>(work: () => Promise<T>): Promise<T> {
    this.#busy++;
    this.#stay();
    try {
      return await work();
    } finally {
      this.#busy--;
      this.#restLater();
    }
  }

  #opened(patience: number, given?: AbortSignal): Promise<Socket> {
    this.#opening ??= this.#open(patience, given).catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async #open(patience: number, given?: AbortSignal): Promise<Socket> {
    const deadline = performance.now() + patience;
    const socket = await this.#connect(patience, given);
    const reader = new FrameReader(randomBytes(16));
    const greeted = Promise.withResolvers<void>();
    socket.on("data", (chunk) => this.#receive(socket, reader, chunk, greeted.resolve));
    socket
      .on("error", () => socket.destroy())
      .once("close", () => {
        greeted.reject(new Fault("BACKEND_FAILED", "the sliver has ended; try again"));
        if (this.#socket === socket) this.#lost();
      });
    socket.write(preamble(reader.nonce));
    const late = setTimeout(() => socket.destroy(), Math.max(0, deadline - performance.now()));
    const stop = () => socket.destroy();
    given?.addEventListener("abort", stop, { once: true });
    try {
      await greeted.promise;
    } finally {
      clearTimeout(late);
      given?.removeEventListener("abort", stop);
    }
    this.#socket = socket;
    return socket;
  }

  /** The socket appears with the microvm, and takes one connection at a time. */
  async #connect(patience: number, given?: AbortSignal): Promise<Socket> {
    let socket: Socket | undefined;
    await waitUntil(
      async () => {
        socket = await this.#tryConnect();
        return socket !== undefined || given?.aborted === true;
      },
      patience,
      20,
    );
    if (socket) return socket;
    throw new Fault("BACKEND_FAILED", "the sliver's agent does not answer; try again");
  }

  async #tryConnect(): Promise<Socket | undefined> {
    // By way of an open directory, since a socket's path may be 107 bytes long at most.
    await using directory = await open(this.#directory);
    const socket = connect(`/proc/self/fd/${directory.fd}/${this.#name}`);
    try {
      await once(socket, "connect");
      return socket;
    } catch (error) {
      if (["ENOENT", "ECONNREFUSED", "EAGAIN"].includes((error as NodeJS.ErrnoException).code ?? ""))
        return undefined;
      throw error;
    }
  }

  #receive(socket: Socket, reader: FrameReader, chunk: Buffer, greeted: () => void): void {
    try {
      for (const one of reader.read(chunk)) this.#take(one);
      if (reader.greeted) greeted();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      socket.destroy(); // the sliver's own agent, or what its owner has put there: nothing of it is believed
    }
  }

  #take(one: Frame): void {
    if (one.type === FRAME.counted) this.#counted(word(one.payload, 0));
    else this.#users.get(one.channel)?.take(one);
  }

  #counted(count: number): void {
    this.#counting?.resolve(count);
    this.#counting = undefined;
  }

  #lost(): void {
    this.#socket = undefined;
    this.#opening = undefined;
    this.#counted(0);
    const users = [...this.#users.values()];
    this.#users.clear();
    for (const user of users) user.lose();
  }

  #stay(): void {
    clearTimeout(this.#idle);
    this.#socket?.ref();
  }

  /** An unused link keeps no node manager from ending. */
  #restLater(): void {
    if (this.#busy > 0 || this.#users.size > 0) return;
    clearTimeout(this.#idle);
    this.#socket?.unref();
    this.#idle = setTimeout(() => this.close(), IDLE_MILLISECONDS).unref();
  }
}
