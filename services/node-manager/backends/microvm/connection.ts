import { Resolver } from "node:dns/promises";
import { isIPv4 } from "node:net";
import { constants } from "node:os";
import { Duplex } from "node:stream";
import { Fault } from "#shared/model/errors.ts";
import type { ListeningPort } from "../backend.ts";
import { machineResolution } from "../network/resolver.ts";
import { InwardFlow, OutwardFlow, UNREAD } from "./flow.ts";
import { FRAME, type Frame, word, words } from "./frames.ts";
import type { AgentLink } from "./link.ts";

const CONNECT_MILLISECONDS = 15_000;
const RESOLVE = { timeout: 3_000, tries: 2 };

/** Opens a TCP connection as a program inside would, from the sliver's own address. */
export async function openConnection(link: AgentLink, host: string, port: number): Promise<Duplex> {
  const address = await addressOf(host);
  const connection = new AgentConnection(link);
  const bytes = Buffer.from(address.split(".").map(Number));
  await connection.open(Buffer.concat([bytes, words(port)]));
  return connection;
}

/** The names the sliver has for itself, then whom its node asks; what the sliver made of its own files is not read. */
async function addressOf(host: string): Promise<string> {
  if (isIPv4(host)) return host;
  if (host === "localhost") return "127.0.0.1";
  const { servers, loopback } = await machineResolution();
  const resolver = new Resolver(RESOLVE);
  resolver.setServers(servers.length > 0 ? servers : [loopback ?? "127.0.0.1"]);
  try {
    const [address] = await resolver.resolve4(host);
    if (address) return address;
  } catch (cause) {
    throw new Fault("BACKEND_FAILED", "the sliver finds no address for that name", { cause });
  }
  throw new Fault("BACKEND_FAILED", "the sliver finds no address for that name");
}

/** One TCP connection in a sliver. Either direction may end before the other. */
class AgentConnection extends Duplex {
  readonly #link: AgentLink;
  readonly #started = Promise.withResolvers<void>();
  readonly #outward = new OutwardFlow((bytes) => this.#send(FRAME.input, bytes));
  readonly #inward = new InwardFlow(this, (bytes) => this.#send(FRAME.credit, words(1, bytes)));
  readonly #user = { take: (frame: Frame) => this.#take(frame), lose: () => this.#lose() };
  #channel = 0;
  #over = false;

  constructor(link: AgentLink) {
    super({ allowHalfOpen: true, readableHighWaterMark: UNREAD });
    this.#link = link;
    this.#started.promise.catch(() => undefined); // told by `open`, where there is one
  }

  /** `target`: where to, as the agent reads it. */
  async open(target: Buffer): Promise<void> {
    this.#channel = await this.#link.join(this.#user);
    this.#send(FRAME.connect, target);
    const late = setTimeout(() => this.#fail(constants.errno.ETIMEDOUT), CONNECT_MILLISECONDS);
    try {
      await this.#started.promise;
    } finally {
      clearTimeout(late);
    }
  }

  /** Takes over a connection that the agent has made a channel for. */
  adopt(channel: number): void {
    this.#channel = channel;
    this.#link.adopt(channel, this.#user);
  }

  #take({ type, payload }: Frame): void {
    if (type === FRAME.started) this.#started.resolve();
    else if (type === FRAME.failed) this.#fail(word(payload, 0));
    else if (type === FRAME.output && !this.#inward.give(payload)) this.#link.close();
    else if (type === FRAME.taken) this.#outward.allow(word(payload, 0));
    else if (type === FRAME.ended) this.#end();
  }

  #lose(): void {
    this.#over = true;
    const error = new Fault("BACKEND_FAILED", "the sliver has ended");
    this.#started.reject(error);
    this.destroy(error);
  }

  override _read(): void {
    this.#inward.wanted();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#outward.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.#outward.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#send(FRAME.leave);
    this.#end();
    done(error);
  }

  #fail(number: number): void {
    this.#started.reject(new Fault("BACKEND_FAILED", `the sliver cannot do that: ${codeOf(number)}`));
    this.destroy();
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#link.leave(this.#channel);
    this.#outward.abandon();
    this.#inward.end();
  }

  #send(type: number, payload?: Uint8Array): void {
    if (!this.#over && this.#channel !== 0) this.#link.send(type, this.#channel, payload);
  }
}

/** Listens on a port of the sliver's loopback; 0 is any free one. */
export async function listenInside(link: AgentLink, port: number): Promise<ListeningPort> {
  const started = Promise.withResolvers<number>();
  const closed = Promise.withResolvers<void>();
  let taker: Parameters<ListeningPort["onConnection"]>[0] | undefined;

  function arrive(payload: Buffer): void {
    const connection = new AgentConnection(link);
    connection.on("error", () => connection.destroy());
    connection.adopt(word(payload, 0));
    const from = { address: Array.from(payload.subarray(8, 12)).join("."), port: word(payload, 1) };
    if (taker) taker(connection, from);
    else connection.destroy();
  }

  const channel = await link.join({
    take({ type, payload }) {
      if (type === FRAME.started) started.resolve(word(payload, 0));
      else if (type === FRAME.arrived) arrive(payload);
      else if (type === FRAME.failed)
        started.reject(new Fault("BACKEND_FAILED", `the sliver cannot do that: ${codeOf(word(payload, 0))}`));
    },
    lose() {
      started.reject(new Fault("BACKEND_FAILED", "the sliver has ended"));
      closed.resolve();
    },
  });

  function close(): void {
    link.send(FRAME.leave, channel);
    link.leave(channel);
    closed.resolve();
  }

  link.send(FRAME.listen, channel, words(port));
  try {
    const given = await link.owed(started.promise);
    return {
      ...{ port: given, closed: closed.promise, close },
      onConnection(take) {
        taker = take;
      },
    };
  } catch (error) {
    link.leave(channel);
    throw error;
  }
}

/** As Node has it in an error's `code`. */
function codeOf(number: number): string {
  return Object.entries(constants.errno).find(([, value]) => value === number)?.[0] ?? `error ${number}`;
}
