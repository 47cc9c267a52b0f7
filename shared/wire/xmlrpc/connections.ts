import { type AgentOptions, Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent, type RequestOptions } from "node:https";
import type { Duplex } from "node:stream";
import type { KeyName } from "#shared/identity/key.ts";
import type { ServiceIdentity } from "#shared/identity/service-identity.ts";
import {
  type BlindTlsOptions,
  type ClientTlsOptions,
  checkServerIdentity,
  clientTlsOptions,
} from "#shared/identity/tls.ts";

/** What one request asks of its connection: the key the server must hold. */
export type PinnedOptions = RequestOptions & { readonly expectedPeer?: KeyName };

/** With an idle time of its own an agent also heeds the server's, and lets go of a connection before the server does. */
const KEPT_ALIVE: AgentOptions = { keepAlive: true, timeout: 60_000, maxFreeSockets: 32, scheduling: "lifo" };

/**
 * Kept-alive connections of one client identity to any number of servers, under one SecureContext. A connection that
 * was made under a pin is reused only under the same pin, so what was checked when it was made holds for every request
 * on it (renegotiation is off). Whoever makes it disposes of it.
 */
export class Connections implements Disposable {
  readonly http: HttpAgent;
  /** Those made under earlier options, with calls on them that are not answered yet. */
  readonly #earlier = new Set<PinningAgent>();
  #https: PinningAgent;
  #isRevoked: (key: KeyName) => boolean = () => false;

  /** Without `tls` only `http:` can be called, for what answers to strangers. */
  constructor(tls?: ClientTlsOptions | BlindTlsOptions) {
    this.http = new HttpAgent(KEPT_ALIVE);
    this.#https = this.#pinning(tls);
  }

  get https(): HttpsAgent {
    return this.#https;
  }

  /** Makes connections under other options from now on. Calls under way are answered on the connections they have. */
  renew(tls: ClientTlsOptions): void {
    for (const agent of this.#earlier) if (agent.idle) this.#earlier.delete(agent);
    this.#https.retire();
    this.#earlier.add(this.#https);
    this.#https = this.#pinning(tls);
  }

  /** From now on, and also on connections that are there, speaks to no server whose key `isRevoked` then. */
  heed(isRevoked: (key: KeyName) => boolean): void {
    this.#isRevoked = isRevoked;
  }

  /** Asked when a connection is made, and again whenever it is used once more. */
  readonly isRevoked = (key: KeyName): boolean => this.#isRevoked(key);

  #pinning(tls?: ClientTlsOptions | BlindTlsOptions): PinningAgent {
    return new PinningAgent({ ...KEPT_ALIVE, ...tls }, this.isRevoked);
  }

  /** Ends every connection, also those in use. */
  [Symbol.dispose](): void {
    for (const agent of [this.http, this.#https, ...this.#earlier]) agent.destroy();
  }
}

/** Those of a service, whose certificate and trust may change while it runs. */
export function connectionsOf(identity: Pick<ServiceIdentity, "tls" | "follow">): Connections {
  const connections = new Connections(clientTlsOptions(identity.tls));
  identity.follow((tls) => connections.renew(clientTlsOptions(tls)));
  return connections;
}

type Created = (error: Error | null, stream: Duplex) => void;

class PinningAgent extends HttpsAgent {
  readonly #isRevoked: (key: KeyName) => boolean;
  #retired = false;

  constructor(options: AgentOptions, isRevoked: (key: KeyName) => boolean) {
    super(options);
    this.#isRevoked = isRevoked;
  }

  get idle(): boolean {
    return Object.keys(this.sockets).length === 0;
  }

  /** Keeps no connection any more once its answer is there. */
  retire(): void {
    this.#retired = true;
    for (const socket of Object.values(this.freeSockets).flat()) socket?.destroy();
  }

  override keepSocketAlive(socket: Duplex): boolean {
    return !this.#retired && Boolean(super.keepSocketAlive(socket));
  }

  override getName(options: PinnedOptions = {}): string {
    return `${super.getName(options)}:${options.expectedPeer ?? ""}`;
  }
  /** Node does not reuse a connection whose check came with the request, so the check is added here. */
  override createConnection(options: PinnedOptions, callback?: Created): Duplex | null | undefined {
    const check = checkServerIdentity(options.expectedPeer, this.#isRevoked);
    return super.createConnection({ ...options, checkServerIdentity: check }, callback);
  }
}
