import type { TLSSocket } from "node:tls";
import type { Peer, ServerTlsOptions } from "#shared/identity/tls.ts";
import { hostAndPort } from "../../model/address.ts";
import type { Contract } from "./contract.ts";
import { type DispatchOptions, dispatcher, type Handlers } from "./dispatch.ts";
import { type Endpoint, openEndpoint, SERVER_LIMITS, type ServerLimits } from "./endpoint.ts";

type Listen = { readonly host: string; readonly port: number };

export type XmlRpcServerOptions = DispatchOptions & {
  readonly tls: Listen & { readonly options: ServerTlsOptions };
  /** A second port without TLS, on which only the contract's plain methods answer. */
  readonly plain?: Listen;
  /** Who sent a request, or a fault (`peerOf`). Called for every request on the TLS port. */
  readonly authenticate: (socket: TLSSocket) => Peer;
  readonly limits?: Partial<ServerLimits>;
};

export type XmlRpcServer = AsyncDisposable & {
  readonly url: string;
  readonly port: number;
  readonly plainUrl?: string;
  readonly plainPort?: number;
  /** Shows another certificate, or trusts others, from now on. Calls under way are answered on the connections they have. */
  renew(options: ServerTlsOptions): void;
  /** Takes no more calls; resolves when those running have finished or their time is up. */
  close(): Promise<void>;
};

/**
 * Serves a contract as XML-RPC over HTTPS, and over plain HTTP where that is asked for (WIRE.md §2). A refusal or
 * failure of any kind is a numbered fault in an ordinary answer; what was not expected is logged under a reference and
 * only the reference is told. Rejects when an address cannot be bound.
 */
export async function startXmlRpcServer<C extends Contract>(
  api: C,
  handlers: Handlers<C>,
  options: XmlRpcServerOptions,
): Promise<XmlRpcServer> {
  const limits = { ...SERVER_LIMITS, ...options.limits };
  const shared = { dispatch: dispatcher(api, handlers, options), limits, log: options.log };
  const { tls, plain, authenticate } = options;

  const secure = await openEndpoint({
    ...shared,
    host: tls.host,
    port: tls.port,
    tls: { options: tls.options, authenticate, open: Object.values(api).some((method) => method.open) },
  });
  const open = plain && (await openEndpoint({ ...shared, ...plain }).catch(closing(secure)));

  let closed: Promise<unknown> | undefined;
  const close = async () => {
    closed ??= Promise.all([secure.close(), open?.close()]);
    await closed;
  };
  return {
    url: `https://${hostAndPort(tls.host, secure.port)}/RPC2`,
    port: secure.port,
    ...(open && { plainUrl: `http://${hostAndPort(plain.host, open.port)}/RPC2`, plainPort: open.port }),
    renew: (options) => secure.renew(options),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Closes what was opened before, then lets the failure pass. */
function closing(endpoint: Endpoint) {
  return async (error: unknown): Promise<never> => {
    await endpoint.close();
    throw error;
  };
}
